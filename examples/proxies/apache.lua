-- Asks Gatehouse whether Apache may forward a request, and tells the app which user sent it.

local http = require 'socket.http'

local gatehouse = 'http://gatehouse:3000'
http.TIMEOUT = 5 -- seconds

local identity = { 'Remote-User', 'Remote-Email', 'Remote-Name', 'Remote-Groups' }

-- What Gatehouse reads: who asks, from which site, and what for.
local asked = {
  'Accept', 'Authorization', 'Cookie', 'Origin', 'Purpose', 'Sec-Fetch-Dest', 'Sec-Fetch-Mode', 'Sec-Fetch-Site',
  'Sec-Purpose',
}

local function startsWith(text, start) return text:sub(1, #start) == start end

-- The signs that a header name may have besides letters, digits and the hyphen (RFC 9110 §5.6.2).
local signs = "!#$%&'*+.^_`|~"

local function removeAliases(r)
  for _, name in ipairs(identity) do
    for sign in signs:gmatch('.') do
      local alias = name:sub(1, 6) .. sign .. name:sub(8)
      if r.headers_in[alias] ~= nil then r.headers_in[alias] = nil end
    end
  end
end

-- Connection must name none of our headers: mod_proxy would remove them.
local function setConnection(r)
  local connection = (r.headers_in['Connection'] or ''):lower()
  local upgrade = (r.headers_in['Upgrade'] or ''):lower()
  if upgrade == 'websocket' then r.headers_in['Connection'] = 'Upgrade'
  elseif connection:find('close') then r.headers_in['Connection'] = 'close'
  else r.headers_in['Connection'] = nil end
end

-- The cookies of Gatehouse stay away from the app: a program that reads them can act as the user. Apache joins two headers by a comma.
local function withoutOurs(cookies)
  local kept = {}
  for pair in cookies:gmatch('[^;,]+') do
    local name = pair:match('^[ \t]*([^=]-)[ \t]*=') or ''
    local bare = name:gsub('^__Host%-', '')
    if bare ~= 'session' and bare ~= 'refresh' then kept[#kept + 1] = pair:match('^%s*(.-)%s*$') end
  end
  if #kept > 0 then return table.concat(kept, '; ') end
end

local function ask(r, path)
  -- Without X-Forwarded-Method Gatehouse answers 401, and names the login page in a header.
  local headers = {
    ['Host'] = r.headers_in['Host'],
    ['X-Original-Method'] = r.method,
    ['X-Forwarded-Uri'] = r.unparsed_uri,
    ['X-Forwarded-For'] = r.useragent_ip,
    ['X-Forwarded-Host'] = r.headers_in['Host'],
    ['X-Forwarded-Proto'] = r.is_https and 'https' or 'http',
  }
  for _, name in ipairs(asked) do headers[name] = r.headers_in[name] end
  local _, status, answer = http.request({ url = gatehouse .. path, headers = headers, redirect = false })
  return status, answer
end

function check(r)
  removeAliases(r)
  setConnection(r)
  -- Decoded, and compared without case; /app/administrators needs the role too.
  local path = r.uri:lower()
  if not startsWith(path, '/app/') then return apache2.DECLINED end
  local isAdmin = startsWith(path, '/app/admin')
  local status, answer = ask(r, isAdmin and '/forward-auth/role/admin' or '/forward-auth')

  if status == 200 then
    -- All four, always: one that is not set here would be the client's own.
    for _, name in ipairs(identity) do r.headers_in[name] = answer[name:lower()] or '' end
    -- The app must not get an API key, which opens more than this app. Access tokens pass.
    if (r.headers_in['Authorization'] or ''):lower():find('^bearer +gatehouse_') then
      r.headers_in['Authorization'] = nil
    end
    r.headers_in['Cookie'] = withoutOurs(r.headers_in['Cookie'] or '')
    return apache2.DECLINED
  end
  if status == 401 and answer['location'] then
    r.err_headers_out['Location'] = answer['location']
    return 302
  end
  if status == 401 then r.err_headers_out['WWW-Authenticate'] = answer['www-authenticate'] end
  if status == 401 or status == 403 then return status end
  return 503
end
