"""What a server's or the client library's error means to a store: away for now, or refused for good."""

from __future__ import annotations

from memtap.errors import StoreAway, StoreError

DUPLICATE_KEY = 1062
NO_SUCH_DATABASE = 1049
NO_SUCH_TABLE = 1146
DUPLICATE_COLUMN = 1060
DEADLOCK = 1213
# LOCAL INFILE switched off: by the server (MySQL 5, MySQL 8, MariaDB 10.5+) or by the client library.
LOCAL_REFUSED = frozenset({1148, 3948, 4166, 2068})
# The connection is of no more use: a new one may be.
CONNECTION_LOST = frozenset({2006, 2013, 2055, 1927, 1053, 4031, 2014, 1152, 1158, 1159, 1160, 1161})

_AWAY = CONNECTION_LOST | {
    3,  # error writing a file: no space left
    1015,  # cannot lock file
    1021,  # disk full
    1026,  # error writing file
    1030,  # error from the storage engine
    1037,  # out of memory
    1038,  # out of sort memory
    1040,  # too many connections
    1041,  # out of resources
    1114,  # table full
    1129,  # host blocked after too many errors
    1180,  # error during COMMIT
    1203,  # max_user_connections
    1205,  # lock wait timeout
    1206,  # lock table full
    DEADLOCK,
    1226,  # an account's hourly limit
    1317,  # query interrupted
    1637,  # too many concurrent transactions
    1792,  # read-only transaction
    1836,  # server in read-only mode
    1969,  # MariaDB: max_statement_time
    3024,  # MySQL: max_execution_time
    3100,  # error on observer while running a hook: a replication group without quorum
    3101,
}
_GRANTS = "grant this account what `memtap init` prints for the schema's owner, the loader or the reader"
_ALTERED = (
    "a table is not as memtap made it: undo what was altered, or name another database and run `memtap init` on it"
)
_ADVICE = {
    1054: _ALTERED,
    1136: _ALTERED,
    1364: _ALTERED,
    1366: _ALTERED,
    1264: _ALTERED,
    1265: _ALTERED,
    1048: _ALTERED,
    1526: _ALTERED,
    1153: "raise max_allowed_packet on the server",
    2020: "raise max_allowed_packet on the server",
    1044: _GRANTS,
    1045: "check the user, and the password in MEMTAP_MYSQL_PASSWORD or the option file",
    1142: _GRANTS,
    1049: "run `memtap init` on it",
    1146: "run `memtap init` on it, or restore the table where it has been dropped",
    1698: "check the user: this one logs in through its own socket only",
    2026: "check tls_ca, or say tls_mode=DISABLED where the network is trusted",
}


def meaning(error: Exception, url: str) -> StoreError:
    """The StoreAway or StoreError that stands for what MySQLdb raised."""
    code, said = code_of(error), _line(error)
    text = f"store {url}: {said} ({code})" if code else f"store {url}: {said}"
    if advice := _ADVICE.get(code):
        return StoreError(f"{text}: {advice}")
    if code in (2002, 2003, 2005):
        return StoreAway(f"{text}: start the server, or check host, port and unix_socket")
    if code in _AWAY or 2000 <= code < 2100 or (code == 1290 and "read-only" in said.replace("_", "-")):
        return StoreAway(text)
    return StoreError(text)


def code_of(error: Exception) -> int:
    """The number of the error, 0 where it has none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def _line(error: Exception) -> str:
    return " ".join(str(error.args[1] if len(error.args) > 1 else error).split())[:300]
