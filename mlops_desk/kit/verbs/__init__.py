"""What can be asked of the program: one protocol for each service.

A verb is declared once, here, as a typed method with a docstring. Services implement the protocols;
the HTTP routes, the OpenAPI document, the command line and the client's methods are derived from
them (``declaration.verbs_of``). ``PROTOCOLS`` is the list they all walk; it is made from ``desk.DeskVerbs``.
"""

from mlops_desk.kit.verbs.desk import PROTOCOLS

__all__ = ["PROTOCOLS"]
