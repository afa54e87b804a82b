-- Asks Countermark's gate about a request, for haproxy.cfg. Needs HAProxy 2.6 or newer with Lua.
--
-- Sets txn.cm_status to 204 if the request may go on, else to the status of the refusal; 503 if the gate does not answer.

local GATE = os.getenv("COUNTERMARK_GATE") or "http://127.0.0.1:8080"

-- What the gate may need of the client's own headers. One that stands twice is handed on twice, and refused there.
local PASSED_ON = {
    "authorization", "x-custom-auth-key", "content-type", "destination", "origin", "access-control-request-method",
}
-- Names of the gate's answer, and the variables in which haproxy.cfg finds them.
local TOLD = {
    ["x-countermark-token-id"] = "txn.cm_token_id",
    ["x-countermark-owner"] = "txn.cm_owner",
    ["x-countermark-remaining"] = "txn.cm_remaining",
    ["x-countermark-cache-control"] = "txn.cm_cache_control",
    ["www-authenticate"] = "txn.cm_challenge",
}

local function first(headers, name)
    local values = headers and headers[name]
    return values and values[0] or ""
end

local function question(txn)
    local headers = {
        ["x-forwarded-method"] = { txn.sf:method() },
        -- Path and query as they came.
        ["x-forwarded-uri"] = { txn.sf:pathq() },
        ["x-forwarded-host"] = { txn.sf:req_fhdr("host") },
        ["x-forwarded-for"] = { txn.sf:src() },
    }
    local client = txn.http:req_get_headers()
    for _, name in ipairs(PASSED_ON) do
        local values = {}
        local place = 0
        while client[name] and client[name][place] do
            values[#values + 1] = client[name][place]
            place = place + 1
        end
        if #values > 0 then headers[name] = values end
    end
    return headers
end

core.register_action("countermark", { "http-req" }, function(txn)
    -- Whatever fails below leaves the request refused.
    txn:set_var("txn.cm_status", 503)
    local answer = core.httpclient():get {
        url = GATE .. "/v1/forward-auth/forwarded",
        headers = question(txn),
        timeout = 5000,
    }
    if not answer or not answer.status or answer.status == 0 then return end
    for name, variable in pairs(TOLD) do
        txn:set_var(variable, first(answer.headers, name))
    end
    txn:set_var("txn.cm_status", answer.status)
end, 0)
