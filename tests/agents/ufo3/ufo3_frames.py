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

GALAXY_REGISTER = """{"type":"register","status":"ok","client_type":"constellation",\
"session_id":null,"task_name":null,"client_id":"galaxytask@real_dev","target_id":"real_dev",\
"request":null,"action_results":null,"timestamp":"2026-11-23T05:01:36.335950+00:00",\
"request_id":null,"prev_response_id":null,"error":null,"metadata":{"type":"constellation_client",\
"task_name":"galaxytask","targeted_device_id":"real_dev","capabilities":["task_distribution",\
"session_management","device_coordination"],"version":"2.0"}}"""

INFO_REQUEST = """{"type":"device_info_request","status":"ok","client_type":"constellation",\
"session_id":null,"task_name":null,"client_id":"galaxytask@real_dev","target_id":"real_dev",\
"request":null,"action_results":null,"timestamp":"2026-11-23T05:01:36.338489+00:00",\
"request_id":"device_info_real_dev_1795410096.33846","prev_response_id":null,"error":null,\
"metadata":null}"""

GALAXY_HEARTBEAT = """{"type":"heartbeat","status":"ok","client_type":"device","session_id":null,\
"task_name":null,"client_id":"galaxytask@real_dev","target_id":null,"request":null,\
"action_results":null,"timestamp":"2026-11-23T05:01:36.339583+00:00","request_id":null,\
"prev_response_id":null,"error":null,"metadata":{"device_id":"real_dev"}}"""

INFO_RESPONSE = """{"type":"device_info_response","status":"ok","user_request":null,\
"agent_name":null,"process_name":null,"root_name":null,"actions":null,"messages":null,\
"error":null,"session_id":null,"task_name":null,"timestamp":"2026-11-23T05:01:36.339135+00:00",\
"response_id":"device_info_real_dev_1795410096.33846","result":{"device_id":"real_dev",\
"platform":"linux","os_version":"#1 SMP PREEMPT_DYNAMIC @0","cpu_count":2,"memory_total_gb":23.54,\
"hostname":"host","ip_address":"192.0.2.2","supported_features":["gui","cli","browser",\
"file_system","office","linux_apps"],"platform_type":"computer","schema_version":"1.0",\
"custom_metadata":{}}}"""

GALAXY_TASK = """{"type":"task","status":"continue","client_type":"constellation",\
"session_id":"galaxytask@t-1","task_name":"galaxy/galaxytask/t-1",\
"client_id":"galaxytask@real_dev","target_id":"real_dev","request":"hello from galaxy",\
"action_results":null,"timestamp":"2026-11-23T05:01:36.340711+00:00","request_id":null,\
"prev_response_id":null,"error":null,"metadata":null}"""

TASK_ACCEPTED = """{"type":"heartbeat","status":"ok","user_request":null,"agent_name":null,\
"process_name":null,"root_name":null,"actions":null,"messages":null,"error":null,\
"session_id":"galaxytask@t-1","task_name":null,"timestamp":"2026-11-23T05:01:36.341784+00:00",\
"response_id":"f2f48d49-4e48-4a0a-bc72-72a099eb22cb","result":null}"""

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
