/** What each line at `warn` or above means, and what to do. A test fails if one is missing here, or is not written any more. */
export const meanings: Record<string, string> = {
  '*the fault of a start, in a sentence*':
    'The instance cannot start. The line names the variable, the fault and the fix.',
  'uncaught error, stopping':
    'A bug. The instance stops and exits with 1, and its supervisor should start it again. Report the stack.',
  '*the code of an error*':
    'A request was answered with this code and a status of 500 or above. `internal` is a bug: report the stack. See [errors](errors.md) for the others.',
  'further failures':
    'More than five requests a second failed, so these have no lines of their own. `by` counts them by code and route. `err` is the last.',
  'message not sent within a day, dropped':
    'The provider refused the message for a day. The user must ask for another. Correct what `err` says, then check with `gatehouse doctor`.',
  'reply to a timed-out request failed':
    'A request took too long, and its answer of 503 could not be written. The connection was closed. Report the stack if it comes back.',
  'second signal, exiting without waiting':
    'A second signal arrived during the stop. Requests in progress were cut off.',
  'signing key not usable, skipped':
    'A stored key cannot be opened: this instance has another `KEYS_SECRET` than the one that wrote it. Give every instance the same secret ([change it](../operations.md#change-keys_secret)).',
  'stopping failed':
    'An error during the stop. The instance exits with 1. Nothing that was acknowledged is lost.',
  'stopping timed out':
    'Requests or messages took longer than the stop may take. The instance exits with 1, and the requests in progress were cut off.',
  'Error executing: *a statement*':
    'A statement of a migration failed. The start ends, and the schema stays as it was. Keep the line for a report.',
  '> Rolling back attempted migration ...':
    'A migration failed, so the transaction is rolled back. The schema stays as it was. The line before has the statement.',
  'account deletions lost in a failover':
    'The new primary had not received the deletion of the accounts in `ids`, so they exist again. Delete them again with `gatehouse users delete`, or tell their owners.',
  'answered 503':
    'Requests were answered with 503, counted for a second. `code`, `reason` or `err` has the last cause, and `by` the routes. [The service answers 503](../troubleshooting.md#the-service-answers-503) has the causes.',
  'could not remove expired rows':
    'Expired rows stay for another minute, when the next run tries again. They are never used. If it comes back, correct what `err` says.',
  'could not tell owners of API keys that expire':
    'The messages wait for another minute, when the next run tries again. If it comes back, correct what `err` says.',
  'database does not answer, retrying':
    'The start waits for PostgreSQL, and tries again in `retry_in_ms`. It fails in `gives_up_in_ms`. Start PostgreSQL, or correct `DATABASE_URL`.',
  'hashing process ended':
    'The child process that hashes passwords ended by itself, was killed or did not answer: `reason` says which. `unanswered` requests got 503. The next login starts another. If it comes back, look for a lack of memory.',
  'password could not be hashed':
    'A request with a password got 503. `reason` is often a lack of memory: give the service more, or lower `HASH_LANES`.',
  'host name of the database is unknown, retrying':
    'The name server does not know the host. Correct it in `DATABASE_URL`, or start the container that has the name.',
  'database lost, retrying':
    'No connection to PostgreSQL at `address` works. Requests that need it get 503. Look at PostgreSQL and the network. The instance reconnects by itself, and then logs `database answers again`.',
  'denied access not written to the audit log':
    'A user called a route for administrators and was refused, but the audit log has no entry of it. Look at PostgreSQL.',
  'denylist feed disconnected, reconnecting':
    'Revocations are not read at the moment, and the feed connects again within two seconds. Until then the instance asks the database, or answers 503. Correct what `err` says.',
  'log lines were lost':
    'The reader of stdout was slow or gone, or the disk was full. `count` lines are missing before this one.',
  'message dropped, no transport is configured':
    'The message cannot be sent. For `kind` `email` set `MAIL_URL`, for `mobile` set `SMS_WEBHOOK_URL`, and restart. The user must ask for another message.',
  'message not sent, retrying':
    'The provider refused the message. The outbox tries again after a second, then after longer waits of up to five minutes, for a day. Correct what `err` says.',
  'neither MAIL_URL nor SMS_WEBHOOK_URL is set, so no user can reset a password':
    'Set one of the variables and restart. `gatehouse doctor` checks it.',
  'outbox not readable, retrying':
    'Messages wait until the outbox can be read. The next try is two seconds later. Correct what `err` says.',
  'PUBLIC_URL is localhost, and so is the issuer of every token; set it to the public origin':
    "Links in messages lead to the reader's own machine. Set `PUBLIC_URL` to the origin that users see.",
  'PUBLIC_URL=… is not https: passwords and tokens can be read on the way, and cookies are not Secure':
    'Put the service behind a proxy with TLS ([deployment](../deployment.md)), and set `PUBLIC_URL` to its https origin.',
  'rate limit not settled, its reservation expires':
    'The result of a checked guess could not be written. Until the reservation expires, for 30 seconds, it counts as a point of that network, account or device. If that fills the limit, the user gets 429 for so long. Nothing to do; look at PostgreSQL if it comes back.',
  'removed signing keys are in the database again, as after a restore: removing them':
    'A backup or failover brought back keys that were removed. The instance refuses their tokens and removes them again. Nothing to do.',
  'revocations lost in a failover not written back, retrying':
    'The write failed. The next try is a second later, and this instance denies the tokens meanwhile. Correct what `err` says.',
  'revocations lost in a failover written back':
    'Good news: the new primary lacked `count` revocations, and has them again. Other writes may be lost too: to lose none, replicate synchronously ([failover](../operations.md#plan-for-a-failover)).',
  'could not read the schemes of imported passwords, retrying':
    'A failed login takes as long as it did before, and the next try is 15 seconds later. Correct what `err` says.',
  'signing key maintenance failed, retrying':
    'The keys stay as they are, and the next try is ten seconds later. Rotation waits meanwhile. Correct what `err` says.',
  'spent code reused, login ended':
    'An authorization code came back with its verifier: it was copied, or a site sends its callback twice. The user must log in again ([exchange](../another-host.md#exchange-the-code)).',
  'spent refresh token reused, session ended':
    'A refresh token came back after its grace: it was copied, or a client keeps an old one. The user must log in again ([refresh](../tokens.md#refresh)).',
  'the clocks of the database and this host differ':
    'By `ms`. From 2,000 on the instance is not ready. Synchronize both with NTP.',
  'what listens at this address does not speak PostgreSQL, retrying':
    'Another program has the port, or a proxy has no PostgreSQL behind it and closes the connection. Correct `DATABASE_URL`, or start PostgreSQL.',
  '*NAME* is not a variable of Gatehouse and is ignored: *a hint*':
    'The name is probably misspelt. Correct it, or remove the variable.',
  '*NAME*_FILE is ignored: only secrets can be in a file; set *NAME*': 'Set the variable itself.',
}

/** What a line below `warn` means, where its text alone does not say it. */
export const notes: Record<string, string> = {
  'child process of an upload ended':
    'A picture or README crashed the child process that reads it, or exceeded its time or memory. `ending` says which. The upload was refused.',
  'database answers again': 'The database was lost for `ms`. Nothing to do.',
  'database history changed, reloading the denylist':
    'The database was restarted, restored or replaced by a standby. After a plain restart there is nothing to do. After a failover look for lines at `warn` about what was lost.',
  'further refused requests':
    'More than 20 refused requests a second, so these have no lines of their own.',
  'message not sent (log transport)':
    'Development without `MAIL_URL`: the message is this line, with its code and link.',
  request: 'A request was answered.',
  'spent refresh token repeated after the grace':
    'A refresh token came back late, before the new pair was seen in use. The client got the current pair once more ([refresh](../tokens.md#refresh)).',
  refused: 'Why a request was refused.',
}

/** The texts of lines whose text is a value, by the level and the expression in the source. */
export const valueTexts: Record<string, string[]> = {
  'fatal err.message': ['*the fault of a start, in a sentence*'],
  'error code': ['*the code of an error*'],
  'error message': ['Error executing: *a statement*'],
  'warn message': ['> Rolling back attempted migration ...'],
  'warn events[kindOfUnreachable(cause)]': [
    'database does not answer, retrying',
    'host name of the database is unknown, retrying',
    'what listens at this address does not speak PostgreSQL, retrying',
  ],
  'warn ofPublicUrl': [
    'PUBLIC_URL is localhost, and so is the issuer of every token; set it to the public origin',
    'PUBLIC_URL=… is not https: passwords and tokens can be read on the way, and cookies are not Secure',
  ],
  'warn warning': [
    '*NAME* is not a variable of Gatehouse and is ignored: *a hint*',
    '*NAME*_FILE is ignored: only secrets can be in a file; set *NAME*',
  ],
}
