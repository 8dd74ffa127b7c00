"""Why a job ended as it did: a table of causes, the signs by which each is known, and the judge over them. Pure."""
