"""Causes: the network, and who says no at the other end."""

from mlops_desk.base.errors import Hint
from mlops_desk.jobs.causes.cause import EndCause, Weight, faint, found, said

_PROXY = "If this machine needs a proxy, set it in the settings, or HTTPS_PROXY in env:."

NETWORK = (
    EndCause(
        "port_in_use", "Port taken", Weight.SPECIFIC,
        "A port that the program wanted is taken.",
        "Another job or program has it: choose another (MASTER_PORT, --port), or 0 for any that is free.",
        said("Address already in use", "EADDRINUSE", "port is already allocated", "Cannot find empty port",
             "server socket has failed to listen"),
    ),
    EndCause(
        "name_unknown", "Host name not found", Weight.SPECIFIC,
        "A host's name was not found: the network or its name server is not reached.",
        f"Check the name and the network of this machine. {_PROXY}",
        found("name or service not known", r"(?:error|failed)\b.*name or service not known")
        + found("name resolution", r"(?:error|failed)\b.*temporary failure in name resolution")
        + said("getaddrinfo failed", "Could not resolve host", "NameResolutionError", "nodename nor servname provided",
               "Failed to resolve '")
        + faint("Temporary failure in name resolution", "Name or service not known"),
    ),
    EndCause(
        "proxy_failed", "Refused by the proxy", Weight.SPECIFIC,
        "The proxy did not let the program through.",
        "Check HTTPS_PROXY and NO_PROXY of the job and in the settings.",
        said("ProxyError", "Proxy Authentication Required", "Tunnel connection failed", "Unable to connect to proxy",
             "CONNECT tunnel failed", "from proxy after CONNECT"),
    ),
    EndCause(
        "tls_failed", "Certificate not accepted", Weight.SPECIFIC,
        "A certificate of the other side was not accepted.",
        "Behind a proxy that opens TLS, give the job its CA bundle: SSL_CERT_FILE, REQUESTS_CA_BUNDLE.",
        said("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "self-signed certificate",
             "self signed certificate", "SSLCertVerificationError", "x509: certificate")
        + found("sslerror", r"\bSSL(?:EOF|ZeroReturn)?Error\b"),
    ),
    EndCause(
        "hub_gated", "Model or data need approval", Weight.SPECIFIC,
        "A model or data set is only for those who have asked for access.",
        "Ask for access on its page, then give the job your token as a secret (HF_TOKEN).",
        said("GatedRepoError", "Cannot access gated repo", "You must have access to it and be authenticated",
             "is gated. ", "awaiting a review from the repo authors")
        + found("access to", r"Access to (?:model|dataset|this repository) .* is restricted"),
    ),
    EndCause(
        "rate_limited", "Asked a server too often", Weight.SPECIFIC,
        "A server refused because it was asked too often.",
        "Wait and submit again; sign in with a token, or mount the data instead of fetching it with each job.",
        found("429", r"429 (?:Client Error|Too Many)|HTTP(?:Error)? ?429|status(?: code)?:? 429")
        + said("Too Many Requests", "toomanyrequests", "You have reached your pull rate limit"),
    ),
    EndCause(
        "access_denied", "Login not accepted", Weight.SPECIFIC,
        "A server did not accept the job's login, or it has none.",
        "Give the job a token that may do this, as a secret; check that it has not run out.",
        found("401", r"401 (?:Client Error|Unauthorized)|HTTP(?:Error)? ?401|status(?: code)?:? 401|Error.*\b401\b")
        + found("403", r"403 (?:Client Error|Forbidden)|HTTP(?:Error)? ?403|status(?: code)?:? 403|Error.*\b403\b")
        + said("Invalid username or password", "RepositoryNotFoundError", "Invalid user token", "AccessDenied",
               "NoCredentialsError", "Unable to locate credentials", "fatal: Authentication failed",
               "could not read Username", "InvalidAccessKeyId", "SignatureDoesNotMatch")
        + found("is not a local folder", r"is not a local folder and is not a valid model identifier"),
    ),
    EndCause(
        "login_missing", "Login missing", Weight.SPECIFIC,
        "A service that the program reports to wants a login.",
        "Give the job its key as a secret, or switch the service off (WANDB_MODE: offline in env:).",
        said("api_key not configured", "WANDB_API_KEY", "wandb: ERROR", "Please login", "LocalTokenNotFoundError",
             "Token is required"),
    ),
    EndCause(
        "licence_missing", "Licence missing", Weight.SPECIFIC,
        "A program has no licence, or could not reach its licence server.",
        "Give the job the licence's file or server, as the program's own help says.",
        said("license checkout failed", "Failed to check out a license", "No valid license", "license has expired",
             "FLEXnet Licensing error", "LicenseError", "GurobiError: No Gurobi license"),
    ),
    EndCause(
        "mlflow_refused", "Refused by the tracking server", Weight.SPECIFIC,
        "The tracking server refused what the program sent, or did not answer.",
        Hint("mlops-desk doctor", before="Its message says why. If it does not answer, see its state: ", after="."),
        found("restexception", r"RestException") + found("api request to", r"API request to .{0,300}failed"),
    ),
    EndCause(
        "mlflow_error", "MLflow raised an error", Weight.SPECIFIC,
        "MLflow refused what the program asked of it; nothing was sent to the tracking server.",
        "Its message says what is wrong with the call.",
        found("mlflowexception", r"MlflowException(?!: API request to )"),
    ),
    EndCause(
        "download_broken", "Download incomplete", Weight.SPECIFIC,
        "Something that was fetched did not come whole.",
        "Submit the job again; if it comes back, remove the half from the cache that the job uses.",
        said("IncompleteRead", "ChunkedEncodingError", "ContentTooShortError", "NonMatchingChecksumError",
             "NonMatchingSplitsSizesError", "Consistency check failed", "hash mismatch", "early EOF",
             "file hash does not match", "invalid hash value", "THESE PACKAGES DO NOT MATCH THE HASHES"),
    ),
    EndCause(
        "packages_missing", "Package not installed", Weight.SPECIFIC,
        "A package could not be installed.",
        f"Check its name and version; better still, install it in the image. {_PROXY}",
        said("No matching distribution found for", "Could not find a version that satisfies", "ResolutionImpossible",
             "E: Unable to locate package", "metadata-generation-failed", "Failed building wheel for",
             "subprocess-exited-with-error", "PackagesNotFoundError"),
    ),
    EndCause(
        "network_failed", "Network not reached", Weight.SPECIFIC,
        "Another machine or service was not reached.",
        f"Is it up, and is its address right as seen from a container (localhost is the container)? {_PROXY}",
        said("Max retries exceeded with url", "ConnectTimeoutError", "ReadTimeoutError", "NewConnectionError",
             "ConnectionRefusedError", "ConnectTimeout:", "ReadTimeout:", "OfflineModeIsEnabled",
             "LocalEntryNotFoundError", "ClientConnectorError", "ServerDisconnectedError",
             "We couldn't connect to 'https://huggingface.co'")
        + found("network is unreachable", r"(?:error|failed|fatal)\b.*network is unreachable")
        + found("no route to host", r"(?:error|failed|fatal)\b.*no route to host")
        + found("connection timed out", r"(?:error|failed|fatal)\b.*connection timed out")
        + faint("Connection refused", "Connection timed out", "Network is unreachable"),
    ),
    EndCause(
        "connection_reset", "Connection closed by the other end", Weight.CONSEQUENCE,
        "The other end closed a connection.",
        "Mostly something at the other end failed first: look for its error.",
        said("ConnectionResetError", "BrokenPipeError", "Connection reset by peer", "Broken pipe",
             "RemoteDisconnected", "Connection aborted"),
    ),
)  # fmt: skip
