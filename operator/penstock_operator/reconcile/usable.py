"""Whether a Flow and a WorkPool can be used: what no schema can know when they are applied."""

from penstock_operator.model.states import ReadyReason
from penstock_operator.model.workpool import WorkPool
from penstock_operator.reconcile.allowed import (
    clash,
    flow_annotation_fault,
    flow_template_fault,
    pool_template_fault,
)
from penstock_operator.reconcile.code import Code, Fault
from penstock_operator.reconcile.parameters import parameter_problems
from penstock_operator.reconcile.schemas import schema_fault
from penstock_operator.reconcile.settings import Settings


def image_of(code: Code, *, pool: WorkPool, settings: Settings) -> str | None:
    """Choose the image: the flow's, else the pool's, else the runner's if the code is elsewhere."""
    chosen = code.settings.image or pool.spec.image
    return chosen or (settings.runner_image if code.source != "image" else None)


def flow_fault(code: Code, *, pool: WorkPool | None, settings: Settings) -> Fault | None:
    """Say why a flow cannot be launched (in this pool, if it is known), or return None."""
    flow = code.settings
    wrong = schema_fault(flow.parameter_schema) if flow.parameter_schema else None
    if wrong is not None:
        return Fault(
            ReadyReason.INVALID_PARAMETER_SCHEMA,
            f"parameterSchema cannot be used: {wrong}. Mend it; `penstock render` makes one.",
        )
    wrong = "; ".join(
        parameter_problems(flow.parameters or {}, schema=flow.parameter_schema, partial=True)
    )
    if wrong:
        return Fault(
            ReadyReason.INVALID_PARAMETERS,
            f"The flow's default parameters do not fit its parameterSchema: {wrong}. Mend either.",
        )
    template = flow.pod_template.spec if flow.pod_template is not None else {}
    annotations = flow.pod_template.metadata.annotations if flow.pod_template is not None else None
    wrong = flow_template_fault(template) or flow_annotation_fault(annotations or {}) or ""
    if not wrong and pool is not None and pool.spec.pod_template is not None:
        wrong = clash(template, pool=pool.spec.pod_template.spec) or ""
    if wrong:
        return Fault(ReadyReason.INVALID_POD_TEMPLATE, f"{wrong}.")
    if pool is not None and image_of(code, pool=pool, settings=settings) is None:
        return Fault(
            ReadyReason.IMAGE_MISSING,
            "Neither the Flow nor its WorkPool names an image, and the code is to come from one."
            " Set spec.image, or give the code by source.inline or source.configMap.",
        )
    return None


def pool_fault(pool: WorkPool) -> Fault | None:
    """Say why a pool cannot launch anything, or return None."""
    template = pool.spec.pod_template.spec if pool.spec.pod_template is not None else {}
    wrong = pool_template_fault(template)
    return Fault(ReadyReason.INVALID_POD_TEMPLATE, f"{wrong}.") if wrong is not None else None
