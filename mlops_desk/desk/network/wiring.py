"""Where logins meet the desk: whose images are whose, with the logins that people keep on this machine."""

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.engines.logins.finding import find_login
from mlops_desk.engines.logins.private_images import PrivateImages, nobodys_login


def private_images(folder: DataFolder, *, simulated: bool) -> PrivateImages:
    """Return what knows of private images; on a machine that is made up nobody has a login."""
    return PrivateImages(folder.private_images, nobodys_login if simulated else find_login)
