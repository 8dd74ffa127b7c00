"""The services of governance, built of what the desk has."""

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.desk.governance.evidence import EvidenceHouse, evidence_service
from mlops_desk.desk.governance.labels import labels_service
from mlops_desk.governance.evidence.making import EvidenceMaker
from mlops_desk.governance.labels.service import LabelsService


def governance(folder: DataFolder, house: EvidenceHouse) -> tuple[EvidenceMaker, LabelsService]:
    """Return what makes evidence, and what asks for labels."""
    return evidence_service(folder, house), labels_service(house.endpoints, house.monitors)
