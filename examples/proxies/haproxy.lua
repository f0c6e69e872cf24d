-- Asks Gatehouse whether HAProxy may forward a request, and tells the app which user sent it.

local gatehouse = 'http://gatehouse:3000'
local timeout = 5000 -- milliseconds

local identity = { 'remote-user', 'remote-email', 'remote-name', 'remote-groups' }

-- What Gatehouse reads: who asks, from which site, and what for.
local asked = {
  'accept', 'authorization', 'cookie', 'origin', 'purpose', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site',
  'sec-purpose', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-request-id',
}

-- What the client gets with a refusal: the redirect to the login page, the challenge, the text.
local answered = {
  'cache-control', 'content-type', 'location', 'retry-after', 'set-cookie', 'www-authenticate', 'x-request-id',
}

-- HAProxy counts the values of a header from 0, and its HTTP client reads them from 1.
local function values(of)
  local list = {}
  if of ~= nil then
    for at = 0, #of do
      if of[at] ~= nil then list[#list + 1] = of[at] end
    end
  end
  return list
end

local function refuse(txn, status, headers, body)
  local reply = txn:reply()
  reply:set_status(status)
  for _, name in ipairs(answered) do
    for _, value in ipairs(values(headers[name])) do reply:add_header(name, value) end
  end
  reply:set_body(body or '')
  txn:done(reply)
end

-- The cookies of Gatehouse, on its own host and on that of an app. There `session` is the app's own.
local ofGatehouse = { session = true, refresh = true }
local ofAppHost = { gatehouse = true, gatehouse_login = true }

-- The cookies of Gatehouse stay away from the app: a program that reads them can act as the user.
local function without(ours, cookies)
  local kept = {}
  for pair in table.concat(cookies, ';'):gmatch('[^;]+') do
    local name = pair:match('^[ \t]*([^=]-)[ \t]*=') or ''
    local bare = name:gsub('^__Host%-', '')
    if not ours[bare] then kept[#kept + 1] = pair:match('^%s*(.-)%s*$') end
  end
  return table.concat(kept, '; ')
end

local function ask(txn, path, ours)
  local sent = txn.http:req_get_headers()
  local headers = {
    host = values(sent.host),
    ['x-forwarded-method'] = { txn.sf:method() },
    ['x-forwarded-uri'] = { txn.sf:pathq() },
  }
  for _, name in ipairs(asked) do
    if sent[name] ~= nil then headers[name] = values(sent[name]) end
  end

  local answer = core.httpclient():get({ url = gatehouse .. path, headers = headers, timeout = timeout })
  if answer == nil or answer.status == nil or answer.status < 200 then return refuse(txn, 503, {}) end
  if answer.status ~= 200 then return refuse(txn, answer.status, answer.headers, answer.body) end

  -- All four, always: one that is not set here would be the client's own.
  for _, name in ipairs(identity) do
    txn.http:req_set_header(name, values(answer.headers[name])[1] or '')
  end
  -- A renewed cookie, for apps on hosts of their own: many-hosts/haproxy.cfg adds it to the response.
  local renewed = values(answer.headers['set-cookie'])[1]
  if renewed ~= nil then txn:set_var('txn.gatehouse_cookie', renewed) end
  local cookies = without(ours, values(sent.cookie))
  txn.http:req_del_header('cookie')
  if cookies ~= '' then txn.http:req_set_header('cookie', cookies) end
end

-- For an app on the host of Gatehouse.
core.register_action('forward_auth', { 'http-req' }, function(txn, path) ask(txn, path, ofGatehouse) end, 1)

-- For an app on a host of its own.
core.register_action('forward_auth_host', { 'http-req' }, function(txn, path) ask(txn, path, ofAppHost) end, 1)
