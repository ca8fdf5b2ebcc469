"""Names of Prefect's that Penstock has not, and what to use instead: the one table of them.

Whoever moves a code base by search and replace meets them as import errors, one by one; each says
in a sentence what to write. Modules refuse names by ``refuse_absent(globals())``, and
``penstock`` itself refuses whole modules.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial, wraps
from typing import Any, Never, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_SERVER = "there is no server to ask; read runs with `penstock list`, `penstock watch` or kubectl."
_AWAITED = "a name has one form: await {twin}(…)."
_TWIN = "a name has one form: use {twin}; asyncio.to_thread({twin}, …) lets an event loop go on."
_RESUME = "people resume runs by `kubectl penstock signal RUN resume`."
_INPUT = "any pydantic model or dataclass will do: wait_for_input(Model), or wait_for_signal."
_TRIGGER = (
    "no event starts anything: start the flow where the event is seen, by run_deployment or "
    "`penstock run FLOW`."
)
_STATE = "ask the state: state.result(), or state.result(raise_on_failure=False)."
_STATES = "no run is ever in this state; see penstock.states for those that there are."
_BLOCK = "there are no blocks: keep settings in penstock.variables.Variable, secrets in Secret."
_NOTIFY = "send it in a hook, such as on_failure=[…], with the library of the service."
_SETTINGS = "there are no settings or profiles: give the option to the decorator."
_IMAGE = "build the image before, and give its name: image='registry/name:tag'."
_ASSETS = "there are no assets: say what was made by penstock.artifacts or emit_event."
_REMOTE = "tasks run where their flow does; what is to run elsewhere is a flow: run_deployment."
_FUTURE = "tasks take futures as arguments and get their values; else call future.result()."
_POLICY = "make policies of those in penstock.cache_policies by + and -, or give a cache_key_fn."
_ERROR = "Penstock never raises it; those that it raises are in penstock.errors."
_CONTEXT = "use penstock.runtime, or FlowRunContext and TaskRunContext of penstock.context."
_LOAD = "use penstock.loading.load_flow('file.py:flow'), or Flow.from_source."
_ON_FLOW = "give it to @flow, where it belongs to the code."
_QUEUE = "give it to Flow.deploy: the Flow names the queue of its runs."
_POD = "set it in the pod template of the WorkPool or Flow."
_DRAW = "the order of a flow is known when it runs: `penstock run FILE:FLOW` shows it."

NAMES: tuple[tuple[str, str, str], ...] = (
    ("", "get_client", _SERVER),
    ("", "aserve", _TWIN),
    ("", "apause_flow_run asuspend_flow_run", _AWAITED),
    ("", "resume_flow_run aresume_flow_run", _RESUME),
    ("blocks.system", "JSON String DateTime", "keep it as a penstock.variables.Variable."),
    (
        "cache_policies",
        "CacheKeyFnPolicy CompoundCachePolicy FlowParameters Inputs RunId TaskSource",
        _POLICY,
    ),
    ("cache_policies", "NONE", "its name is NO_CACHE."),
    ("context", "AsyncClientContext SyncClientContext", _SERVER),
    (
        "context",
        """
        SettingsContext get_settings_context refresh_global_settings_context root_settings_context
        use_profile
        """,
        _SETTINGS,
    ),
    ("context", "AssetContext", _ASSETS),
    ("context", "ContextModel EngineContext RunContext TagsContext", _CONTEXT),
    (
        "context",
        "hydrated_context serialize_context with_context",
        "threads get the context by contextvars.copy_context().run, processes by a task runner.",
    ),
    ("events", "get_events_client get_events_subscriber FlowRunSubscriber", _SERVER),
    (
        "events",
        """
        Action Automation AutomationCore CallWebhook CancelFlowRun ChangeFlowRunState
        CompositeTrigger CompoundTrigger DeclareIncident DeleteFlowRun DeploymentCompoundTrigger
        DeploymentEventTrigger DeploymentMetricTrigger DeploymentSequenceTrigger DoNothing
        EventTrigger MetricTrigger MetricTriggerOperator MetricTriggerQuery PauseAutomation
        PauseDeployment PauseWorkPool PauseWorkQueue Posture ReceivedEvent ResourceSpecification
        ResourceTrigger ResumeAutomation ResumeDeployment ResumeWorkPool ResumeWorkQueue
        RunDeployment SendNotification SequenceTrigger SuspendFlowRun Trigger
        ActionTypes TriggerTypes DeploymentTriggerTypes
        """,
        _TRIGGER,
    ),
    ("events", "Resource RelatedResource", "give emit_event a dictionary."),
    (
        "exceptions",
        "MissingFlowError ScriptError UnspecifiedFlowError",
        "catch penstock.errors.FlowLoadError.",
    ),
    ("exceptions", "UnfinishedRun", "catch FailedRun, which asking too early raises."),
    ("exceptions", "UpstreamTaskError", "catch penstock.errors.UpstreamNotCompleted."),
    (
        "exceptions",
        "HashError",
        "a task without a key runs uncached, and the log says why.",
    ),
    ("exceptions", "ReservedArgumentError InvalidNameError", "catch TypeError."),
    ("exceptions", "exception_traceback", "use traceback.format_exception."),
    ("exceptions", "FlowRunWaitTimeout", "catch TimeoutError."),
    ("exceptions", "NotPausedError Pause PausedRun", _RESUME),
    (
        "exceptions",
        """
        Abort BlockMissingCapabilities ConfigurationError EventTooLarge ExternalSignal
        FlowRunWatchError InfrastructureError InfrastructureNotAvailable InfrastructureNotFound
        InvalidRepositoryURLError MissingProfileError ObjectAlreadyExists ObjectLimitReached
        ObjectNotFound ObjectUnsupported PrefectHTTPStatusError PrefectImportError PrefectSignal
        PenstockHTTPStatusError PenstockImportError PenstockSignal
        ProfileSettingsValidationError ProtectedBlockError TerminationSignal
        """,
        _ERROR,
    ),
    (
        "filesystems",
        """
        ReadableFileSystem WritableFileSystem ReadableDeploymentStorage WritableDeploymentStorage
        """,
        "any object with read_path and write_path is a FileSystem.",
    ),
    ("filesystems", "NullFileSystem", "give persist_result=False."),
    ("filesystems", "SMB", "use RemoteFileSystem('smb://…')."),
    ("flow_runs", "resume_flow_run aresume_flow_run", _RESUME),
    (
        "input",
        """
        GetInputHandler Keyset RunInput RunInputMetadata acreate_flow_run_input
        acreate_flow_run_input_from_model adelete_flow_run_input afilter_flow_run_input
        aread_flow_run_input create_flow_run_input create_flow_run_input_from_model
        delete_flow_run_input filter_flow_run_input keyset_from_base_key keyset_from_paused_state
        read_flow_run_input receive_input
        """,
        _INPUT,
    ),
    ("input", "send_input", "send a signal: `kubectl penstock signal RUN NAME --payload …`."),
    ("deployments", "initialize_project", "`penstock render FILE:FLOW --image …` writes a Flow."),
    ("flow_runs", "apause_flow_run asuspend_flow_run", _AWAITED),
    (
        "flows",
        """
        load_flow_from_entrypoint load_flow_arguments_from_entrypoint
        safe_load_flow_from_entrypoint load_function_and_convert_to_flow select_flow
        """,
        _LOAD,
    ),
    ("flows", "load_flow_from_flow_run load_placeholder_flow", _SERVER),
    ("flows", "aserve", _TWIN),
    ("flows", "serve", "import it from penstock."),
    (
        "flows",
        "FlowStateHook is_entrypoint_async",
        "it is of no use but inside Prefect: flow and Flow.",
    ),
    ("flows", "InfrastructureBoundFlow bind_flow_to_infrastructure", _REMOTE),
    (
        "futures",
        "PenstockConcurrentFuture PenstockTaskRunFuture PenstockWrappedFuture",
        "there is one class of futures, PenstockFuture.",
    ),
    ("futures", "PenstockDistributedFuture PenstockFlowRunFuture", _REMOTE),
    ("futures", "resolve_futures_to_results resolve_futures_to_states", _FUTURE),
    ("logging", "LogEavesdropper", "add a handler to the logger penstock."),
    ("runner", "Runner", "use penstock.serve; a pod runs `python -m penstock.runner`."),
    ("runtime.flow_run", "api_url ui_url", _SERVER),
    ("runtime.flow_run", "job_variables", "set them in the pod template of the WorkPool or Flow."),
    ("runtime.task_run", "api_url ui_url", _SERVER),
    (
        "states",
        """
        aget_state_exception araise_state_exception get_state_exception get_state_result
        raise_state_exception exception_to_crashed_state exception_to_failed_state
        format_exception return_value_to_state is_state_iterable StateGroup to_state_create
        """,
        _STATE,
    ),
    (
        "states",
        """
        AwaitingConcurrencySlot Cancelling InfrastructurePending Late Paused Scheduled Submitting
        Suspended
        """,
        _STATES,
    ),
    (
        "results",
        """
        get_result_store aget_default_result_storage get_default_result_storage
        get_default_result_serializer default_cache resolve_result_storage
        aresolve_result_storage resolve_serializer result_storage_discriminator
        get_or_create_default_task_scheduling_storage
        """,
        "make a penstock.results.ResultStore, with the options of the task.",
    ),
    (
        "results",
        "get_default_persist_setting get_default_persist_setting_for_tasks should_persist_result",
        _SETTINGS,
    ),
    (
        "serializers",
        """
        UnknownSerializer prefect_json_object_decoder prefect_json_object_encoder
        penstock_json_object_decoder penstock_json_object_encoder
        """,
        "JSONSerializer does it by itself.",
    ),
    ("task_runners", "ConcurrentTaskRunner", "its name is ThreadPoolTaskRunner."),
    ("task_runners", "PenstockTaskRunner", _REMOTE),
    ("tasks", "MaterializingTask", _ASSETS),
    ("tasks", "TaskRunNameCallbackWithParameters", "give task_run_name a function."),
    ("transactions", "BaseTransaction", "name Transaction or AsyncTransaction."),
    (
        "testing.utilities",
        """
        assert_blocks_equal assert_does_not_warn assert_uses_result_serializer a_test_step
        assert_uses_result_storage b_test_step exceptions_equal get_most_recent_flow_run
        kubernetes_environments_equal
        """,
        "it tests Prefect itself; what tests of flows need is in penstock.testing.",
    ),
    ("utilities.annotations", "BaseAnnotation NotSet", "it is of no use but inside Prefect."),
    ("utilities.annotations", "Quote", "its name is quote."),
    ("utilities.annotations", "freeze", "hand the value itself: parameters are not changed."),
)

MODULES: dict[str, str] = {
    "assets": _ASSETS,
    "automations": _TRIGGER,
    "blocks.core": _BLOCK,
    "blocks.notifications": _NOTIFY,
    "blocks.webhook": _NOTIFY,
    "client": _SERVER,
    "docker": _IMAGE,
    "flow_engine": "call the flow, or penstock.execution.execute it.",
    "server": _SERVER,
    "settings": _SETTINGS,
    "task_engine": "call the task.",
    "task_worker": _REMOTE,
    "testing.fixtures": "use those of penstock.testing, such as isolated_home.",
    "types": "give a text such as 'file.py:flow' for an entrypoint.",
    "workers": "the operator launches runs; say how in a WorkPool.",
}

MEMBERS: tuple[tuple[str, str, str], ...] = (
    ("flow", "submit map", "call it where it is to run, or in a task that is submitted."),
    ("flow", "delay apply_async", "start it in the cluster by run_deployment."),
    ("flow", "visualize avisualize generate_mermaid_graph agenerate_mermaid_graph", _DRAW),
    ("flow", "adeploy afrom_source ato_deployment", _TWIN),
    ("flow", "serialize_parameters", "use json.dumps, or pydantic.TypeAdapter."),
    ("task", "delay apply_async serve aserve create_run create_local_run", _REMOTE),
    ("task", "deploy to_deployment", "a flow is what runs in the cluster: call the task in one."),
)

OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("task", "version", "give it to @flow, whose runs show it."),
    ("task", "asset_deps viz_return_value", _ASSETS),
    ("flow", "tags", "use `with tags('a'): my_flow()`, or to_deployment(tags=['a'])."),
    ("serve", "webserver pause_on_shutdown paused", "a schedule lives as long as this process."),
    ("serve", "print_starting_message", "the log says what is served; set its level."),
    ("serve", "triggers", _TRIGGER),
    ("serve", "description version enforce_parameter_schema entrypoint_type", _ON_FLOW),
    ("serve", "global_limit concurrency_limit", "give limit=, or use penstock.concurrency."),
    ("to_deployment", "description version enforce_parameter_schema entrypoint_type", _ON_FLOW),
    ("to_deployment", "version_type", _ON_FLOW),
    ("to_deployment", "paused", "serve it when it is to run."),
    ("to_deployment", "triggers", _TRIGGER),
    ("to_deployment", "concurrency_limit", "give it to Flow.deploy, or serve a limit=."),
    ("to_deployment", "work_pool_name job_variables", "give it to deploy, or the WorkPool."),
    ("to_deployment", "work_queue_name", _QUEUE),
    ("deploy", "build push", _IMAGE),
    ("deploy", "job_variables", _POD),
    ("deploy", "triggers", _TRIGGER),
    ("deploy", "paused", "set spec.suspend of the Flow."),
    ("deploy", "tags", "use `with tags('a')` in the flow."),
    ("deploy", "description version version_type enforce_parameter_schema", _ON_FLOW),
    ("deploy", "entrypoint_type ignore_warnings", _ON_FLOW),
    ("deploy", "print_next_steps print_next_steps_message", "the Flow is printed on stdout."),
    ("wait_for_flow_run", "client", _SERVER),
    ("wait_for_flow_run", "poll_interval", "the run is watched, not polled."),
    ("wait_for_flow_run", "log_states", "`penstock watch RUN` shows them."),
    ("penstock_test_harness", "server_startup_timeout", "there is no server to start."),
    ("run_deployment", "client", _SERVER),
    ("run_deployment", "poll_interval", "the run is watched, not polled."),
    ("run_deployment", "scheduled_time", "the run starts at once: call it when it is to start."),
    ("run_deployment", "tags", "give the flow a parameter, or use `with tags('a')` in it."),
    ("run_deployment", "work_queue_name", _QUEUE),
    ("run_deployment", "job_variables", _POD),
)


def refuse_absent(module: dict[str, Any]) -> None:
    """Make a module refuse names, and say what to use if that is known.

    Its ``__getattr__`` is put in from here, since type checkers that saw it would take every name.
    """
    module["__getattr__"] = partial(refuse_name, module["__name__"])


def refuse_name(module: str, name: str) -> Never:
    """Raise ``ImportError`` for a name of Prefect's, and ``AttributeError`` for any other.

    It is an ``ImportError`` because ``from … import …`` shows no other's words.
    """
    advice = advice_on_name(module, name)
    if advice is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    raise ImportError(advice, name=module)


def refuse_module(name: str) -> None:
    """Raise ``ModuleNotFoundError`` for a module of Prefect's, and say what to use."""
    path = name.partition(".")[2]
    if path in MODULES:
        raise ModuleNotFoundError(f"Penstock has no {name}: {MODULES[path]}")


def advice_on_name(module: str, name: str) -> str | None:
    """Return what to use instead of a name in a module of Prefect's."""
    path = module.partition(".")[2]
    whole = f"{path}.{name}" if path else name
    words = MODULES.get(whole) or _found(NAMES, path, name)
    return words and f"Penstock has no {whole}: {words}"


def advice_on_member(kind: str, name: str) -> str | None:
    """Return what to use instead of a method of Prefect's flows or tasks."""
    return _found(MEMBERS, kind, name)


def refusing_options(call: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function refuse options of Prefect's, and say what to use instead."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs:
                if (advice := advice_on_option(call, name)) is not None:
                    raise TypeError(f"{call} has no option {name}: {advice}")
            return function(*args, **kwargs)

        return checked

    return decorate


def advice_on_option(decorator: str, name: str) -> str | None:
    """Return what to use instead of an option of Prefect's."""
    return _found(OPTIONS, decorator, name)


def _found(table: tuple[tuple[str, str, str], ...], place: str, name: str) -> str | None:
    words = _by_name(table).get((place, name))
    return words and words.format(twin=name.removeprefix("a"))


@cache
def _by_name(table: tuple[tuple[str, str, str], ...]) -> dict[tuple[str, str], str]:
    return {(place, name): words for place, names, words in table for name in names.split()}
