"""Puts together what all lease files say of each device: who has it as a whole, who has shares of it.

What somebody has of a MIG instance counts against its GPU, and the other way round. Every lease lies in each folder
that its owner can use, so one that is found twice counts once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.base.caller import user_name
from mlops_desk.base.text import plain
from mlops_desk.leases.allocation import Claim, ShareClaim
from mlops_desk.leases.devices import Device
from mlops_desk.leases.files import Content, Lease, stem
from mlops_desk.leases.folders import UserFile
from mlops_desk.leases.validity import LABEL_LIMIT, Judged, LeaseJudge
from mlops_desk.records.gpu import Gpu
from mlops_desk.records.jobs.card import CardState

_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Sharer:
    """One of several on a GPU: the lease, and what it claims."""

    lease: Lease
    claim: ShareClaim


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is claimed of a device (None: nothing), by what lease or file as a whole, and by whom in shares."""

    claim: Claim | None = None
    judged: Judged | None = None
    sharers: tuple[Sharer, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimReader:
    """``note``: who is found dead now is remembered as dead since now. ``ended_at`` stands in where nobody did yet."""

    judge: LeaseJudge
    found: Mapping[str, Sequence[UserFile]]
    verdicts: Mapping[Lease, bool]
    note: bool = False
    ended_at: float | None = None

    def held(self, device: Device) -> Claimed:
        """Return what is claimed of a device."""
        files = [each for uuid in (device.uuid, *device.overlapping) for each in self.found.get(stem(uuid), ())]
        wholes: list[Judged] = []
        shares: dict[tuple[str, str], tuple[Lease, Judged]] = {}
        for each in files:
            judged = self.judge.judge(each, self.verdicts, note=self.note, ended_at=self.ended_at)
            lease = judged.lease if judged else None
            if judged is None:
                continue
            if lease is None or lease.share_bytes is None or lease.gpu != device.uuid:
                wholes.append(judged)
            else:
                key = lease.instance, lease.attempt
                shares[key] = lease, max(judged, shares.get(key, (lease, judged))[1], key=lambda one: one.rank)
        whole = max(wholes, key=lambda one: one.rank, default=None)
        sharers = tuple(self._sharer(lease, judged.claim, device.gpu) for lease, judged in shares.values())
        return Claimed(_joined(whole, sharers), whole, sharers)

    def _sharer(self, lease: Lease, claim: Claim, gpu: Gpu) -> Sharer:
        host = self.judge.host
        holder = lease.container_process or lease.owner
        # A container that is only about to start has no process yet, and what its agent runs is not the job's.
        known = lease.container is None or lease.container_process is not None
        pids = [one.pid for one in gpu.processes if host.works_for(one.pid, holder)] if known else []
        text = f"{plain(lease.label, LABEL_LIMIT)} of {plain(user_name(lease.uid))}"
        share = ShareClaim(claim.standing, text, lease.share_bytes or 0, claim.released_at, frozenset(pids))
        return Sharer(lease, share)


def by_stem(found: Iterable[UserFile]) -> dict[str, list[UserFile]]:
    """Return files by the GPU that they are about."""
    grouped: dict[str, list[UserFile]] = {}
    for each in found:
        grouped.setdefault(each.stem, []).append(each)
    return grouped


def is_same(content: Content, lease: Lease) -> bool:
    """Tell whether a file's content is a lease of the same attempt."""
    return isinstance(content, Lease) and (content.instance, content.attempt) == (lease.instance, lease.attempt)


def _joined(whole: Judged | None, sharers: Sequence[Sharer]) -> Claim | None:
    """Return one claim: that of the whole unless it is only still being freed, else the shares together."""
    if not sharers or (whole is not None and whole.claim.standing is not CardState.DRAINING):
        return whole.claim if whole else None
    shares = tuple(each.claim for each in sharers)
    living = [share for share in shares if share.standing is CardState.LEASED]
    if not living:
        text = f"still being freed by {', '.join(share.text for share in shares)}"
        ends = [whole.claim.released_at] if whole else []
        ends += [share.released_at for share in shares]
        return Claim(CardState.DRAINING, text, None if None in ends else max(end for end in ends if end is not None))
    text = ", ".join(f"{share.text} ({share.declared_bytes / _GIB:.4g} GiB)" for share in living)
    return Claim(CardState.SHARED, f"shared by {text}", whole.claim.released_at if whole else None, shares)
