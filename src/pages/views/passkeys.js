/**
 * Asks the browser for a passkey (WebAuthn Level 3), puts its answer into a form, and sends the form. Where this script or
 * WebAuthn is missing, the form stays hidden, and the other ways to log in remain.
 */
const form = document.querySelector('form[data-passkey]')

/** Options are valid for five minutes, both in milliseconds. An offer gets fresh ones in time. */
const lifetime = 300_000
const offerLifetime = 240_000
const fetchTimeout = 10_000

const sentences = {
  AbortError: 'The passkey took too long. Try again.',
  InvalidStateError: 'Your account has this passkey already.',
  NotAllowedError: 'No passkey was used. Try again, or choose another way.',
  NotSupportedError: 'This device cannot make such a passkey.',
  SecurityError: 'A passkey does not work at this address.',
  TimeoutError: 'The service did not answer. Try again.',
  TypeError: 'The service did not answer. Try again.',
}

/** A refusal of the service. Its message is for the user. */
class Refusal extends Error {}

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0))

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

const toDescriptors = (list) => list.map((one) => ({ ...one, id: toBytes(one.id) }))

if (form && window.PublicKeyCredential && navigator.credentials) start()

function start() {
  const button = form.querySelector('button')
  const fault = document.createElement('p')
  const kind = form.dataset.passkey
  let pending
  let renewal

  for (const text of document.querySelectorAll('[data-without-passkey]')) text.hidden = true
  fault.setAttribute('role', 'alert')
  form.hidden = false
  button.addEventListener('click', press)
  window.addEventListener('pagehide', stop)
  window.addEventListener('pageshow', ({ persisted }) => persisted && offer())
  offer()

  async function press(event) {
    event.preventDefault()
    button.disabled = true
    fault.remove()
    try {
      await (kind === 'add' ? add() : logIn())
    } catch (error) {
      fault.textContent =
        error instanceof Refusal
          ? error.message
          : (sentences[error.name] ?? 'The passkey did not work. Try again.')
      form.append(fault)
      offer()
    }
    button.disabled = false
  }

  /** Offers the passkeys of this device in the username field. It fails in silence, because nobody has asked for it. */
  async function offer() {
    if (kind !== 'login') return
    try {
      if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return
      await logIn('conditional')
    } catch {
      return
    }
  }

  function stop() {
    clearTimeout(renewal)
    pending?.abort()
  }

  async function logIn(mediation) {
    stop()
    const own = new AbortController()
    pending = own
    if (mediation) renewal = setTimeout(offer, offerLifetime)
    const { challenge, timeout, rpId, allowCredentials, userVerification } = await fetchOptions()
    const fetched = Date.now()
    if (own.signal.aborted) return
    const credential = await navigator.credentials.get({
      publicKey: {
        ...{ timeout, rpId, userVerification },
        challenge: toBytes(challenge),
        allowCredentials: toDescriptors(allowCredentials),
      },
      signal: own.signal,
      ...(mediation && { mediation }),
    })
    // A computer that was asleep has run no timer.
    if (Date.now() - fetched > lifetime) throw new DOMException('too late', 'AbortError')
    const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response
    send(credential, {
      clientDataJSON: toText(clientDataJSON),
      authenticatorData: toText(authenticatorData),
      signature: toText(signature),
      ...(userHandle && { userHandle: toText(userHandle) }),
    })
  }

  async function add() {
    const options = JSON.parse(form.dataset.options)
    const credential = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: toBytes(options.challenge),
        user: { ...options.user, id: toBytes(options.user.id) },
        excludeCredentials: toDescriptors(options.excludeCredentials),
      },
    })
    const { clientDataJSON, attestationObject } = credential.response
    const response = {
      clientDataJSON: toText(clientDataJSON),
      attestationObject: toText(attestationObject),
      transports: credential.response.getTransports?.() ?? [],
    }
    const { credProps } = credential.getClientExtensionResults()
    send(credential, response, { ...(credProps && { credProps }) })
  }

  async function fetchOptions() {
    const answer = await fetch('/api/login/passkey/options', {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      body: JSON.stringify({ challenge: form.elements.challenge?.value }),
      signal: AbortSignal.timeout(fetchTimeout),
    })
    const { options, message } = await answer.json()
    if (!answer.ok) throw new Refusal(`${message}.`)
    return options
  }

  function send({ id, rawId, type }, response, clientExtensionResults = {}) {
    stop()
    form.elements.credential.value = JSON.stringify({
      ...{ id, rawId: toText(rawId), type, response, clientExtensionResults },
    })
    form.submit()
  }
}
