"""The store of a WorkPool: where its runs keep journals and results, outside of etcd."""

from typing import Annotated

from pydantic import ConfigDict, Field

from penstock_operator.model.meta import SecretRef
from penstock_operator.model.schema import ForeignName, Part, must, refuse_unless

StoreName = Annotated[str, Field(max_length=1300)]
"""A store in one line, as a run remembers it."""


class VolumeClaim(Part):
    """A PersistentVolumeClaim of the same namespace, which all pods of the pool mount."""

    claim_name: ForeignName
    """Name of the PersistentVolumeClaim."""

    sub_path: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=253,
                json_schema_extra=refuse_unless(
                    must(
                        r"self.matches('^[^/]+(/[^/]+)*$') && !self.matches('(^|/)\\.\\.?(/|$)')",
                        "A subPath is relative, and has no part that is empty, '.' or '..'.",
                    )
                ),
            ),
        ]
        | None
    ) = None
    """Folder of the volume, instead of its root."""


class SigningKey(Part):
    """One key of a Secret of the same namespace. No pod starts without it."""

    name: ForeignName
    """Name of the Secret."""

    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key whose value is taken: a text that nobody can guess."""


class Store(Part):
    """Where the pool's runs keep their journals and results. Exactly one of url and
    persistentVolumeClaim is set."""

    model_config = ConfigDict(
        json_schema_extra=refuse_unless(
            must(
                "has(self.url) != has(self.persistentVolumeClaim)",
                "Set either url or persistentVolumeClaim in store.",
            ),
            must(
                "has(self.url) || !has(self.credentialsSecretRef)",
                "Credentials belong to the url of a store; a PersistentVolumeClaim needs none.",
            ),
        )
    )

    url: (
        Annotated[
            str,
            Field(
                max_length=1024,
                json_schema_extra=refuse_unless(
                    must(
                        "self.matches('^[a-z][a-z0-9+.-]*://[^/]+')",
                        "The url of a store is one such as s3://bucket/folder.",
                    ),
                    must(
                        "!self.matches('^(file|local|memory)://')",
                        "What is in a pod goes with it; name a persistentVolumeClaim instead.",
                    ),
                ),
            ),
        ]
        | None
    ) = None
    """Where objects go: s3://bucket/folder. Other URLs that fsspec knows keep results only, and
    journals stay in JournalSegments."""

    credentials_secret_ref: SecretRef | None = None
    """A Secret whose keys become environment variables of the flow's container, for example
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL."""

    persistent_volume_claim: VolumeClaim | None = None
    """A volume that the pool's pods mount."""

    signing_key_secret_ref: SigningKey | None = None
    """A key of a Secret, by which what is stored is signed, and checked before it is read: others
    who can write the store cannot have the pool's pods run their code."""

    allow_pickle: bool = True
    """Whether results may be stored as pickles. Without them, results are builtin values,
    dataclasses and models that JSON can give back; others are not stored."""

    @property
    def name(self) -> str:
        """The store in one line."""
        claim = self.persistent_volume_claim
        if claim is None:
            return self.url or ""
        return "/".join(filter(None, ("persistentVolumeClaim", claim.claim_name, claim.sub_path)))
