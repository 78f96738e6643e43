"""Frames as real peers of UFO³ sent them, of conversations that were recorded."""

REGISTER = """{"type":"register","status":"ok","client_type":"device","session_id":null,\
"task_name":null,"client_id":"ufo_dev_1","target_id":null,"request":null,"action_results":null,\
"timestamp":"2026-11-23T04:59:01.541274+00:00","request_id":null,"prev_response_id":null,\
"error":null,"metadata":{"system_info":{"device_id":"ufo_dev_1","platform":"linux","cpu_count":2,\
"supported_features":["gui","cli"],"custom_metadata":{}},"platform":"linux"}}"""

COMMAND = """{"type": "command", "status": "continue", "user_request": null, \
"agent_name": "EchoAgent", "process_name": "", "root_name": "default", "actions": \
[{"tool_name": "boom", "parameters": {}, "tool_type": "action", "call_id": "c3"}, \
{"tool_name": "echo", "parameters": {"text": "x"}, "tool_type": "action", "call_id": "c4"}], \
"messages": null, "error": null, "session_id": "94ff3042", "task_name": "t_hello", "timestamp": \
"2026-11-23T04:59:03.897141+00:00", "response_id": "9462136a", "result": null}"""

RESULTS = """{"type":"command_results","status":"continue","client_type":"device",\
"session_id":"94ff3042","task_name":null,"client_id":"ufo_dev_1","target_id":null,"request":null,\
"action_results":[{"status":"failure","error":"Error calling tool 'boom': kaboom","result":null,\
"namespace":"EchoServer","call_id":"c3"},{"status":"skipped","error":"Skipped due to previous \
failure (early_exit=True).","result":null,"namespace":null,"call_id":"c4"}],\
"timestamp":"2026-11-23T04:59:04.971585+00:00","request_id":"7aee0768",\
"prev_response_id":"9462136a","error":null,"metadata":null}"""

TASK_END = """{"type":"task_end","status":"failed","user_request":null,"agent_name":null,\
"process_name":null,"root_name":null,"actions":null,"messages":null,"error":"Task was cancelled \
because target device disconnected","session_id":"task1@t-002","task_name":null,\
"timestamp":"2026-11-23T04:59:13.689726+00:00","response_id":"b246535b","result":null}"""

TOOLS = [
    {
        "tool_key": f"action::{name}",
        "tool_name": name,
        "title": None,
        "namespace": "EchoServer",
        "tool_type": "action",
        "description": description,
        "input_schema": {"properties": properties, "required": [*properties], "type": "object"},
        "output_schema": {
            "properties": {"result": {"title": "Result", "type": "string"}},
            "required": ["result"],
            "title": "_WrappedResult",
            "type": "object",
            "x-fastmcp-wrap-result": True,
        },
        "meta": {"_fastmcp": {"tags": []}},
        "annotations": None,
    }
    for name, description, properties in (
        ("echo", "Echo text", {"text": {"title": "Text", "type": "string"}}),
        ("boom", "Always fails", {}),
    )
]
