"""What a store's URL means, and that no password in it is ever shown."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest
from users import as_nobody

from memtap.errors import StoreError, UsageError
from memtap.stores import default_url, open_store, store_url
from memtap.stores.address import DuckDBAddress, MySQLAddress, NullAddress, parse, without_password


def mysql(url: str) -> MySQLAddress:
    address = parse(url)
    assert isinstance(address, MySQLAddress)
    return address


def duckdb(url: str) -> DuckDBAddress:
    address = parse(url)
    assert isinstance(address, DuckDBAddress)
    return address


class TestDuckDB:
    @pytest.mark.parametrize(
        ("url", "path"),
        [
            ("duckdb:///var/lib/x.duckdb", "/var/lib/x.duckdb"),
            ("duckdb:////var/lib/x.duckdb", "/var/lib/x.duckdb"),
            ("duckdb:///a%20b/%3F%25.duckdb", "/a b/?%.duckdb"),
            ("duckdb:///./x.duckdb", f"{Path.cwd()}/x.duckdb"),
        ],
    )
    def test_a_path(self, url: str, path: str) -> None:
        assert str(duckdb(url).path) == path

    def test_what_is_shown_of_it_means_the_same(self) -> None:
        for url in ("duckdb:///./x.duckdb", "duckdb:///a%20b/%3F%25%23.duckdb"):
            assert duckdb(duckdb(url).url) == duckdb(url)

    @pytest.mark.parametrize("url", ["duckdb://", "duckdb:///", "duckdb:x", "duckdb://host/x", "duckdb:///x?y=1"])
    def test_what_is_no_path_is_refused(self, url: str) -> None:
        with pytest.raises(UsageError, match="not a DuckDB URL"):
            parse(url)

    def test_the_default_follows_xdg(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", "/data")
        assert default_url() == "duckdb:///data/memtap/memtap.duckdb"
        monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
        monkeypatch.setenv("HOME", "/home/someone")
        assert as_nobody(default_url) == "duckdb:///home/someone/.local/share/memtap/memtap.duckdb"

    def test_roots_default_is_the_machines_and_through_sudo_that_of_who_called_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
        monkeypatch.delenv("SUDO_UID", raising=False)
        assert default_url() == "duckdb:///var/lib/memtap/memtap.duckdb"
        monkeypatch.setenv("SUDO_UID", str(pwd.getpwnam("nobody").pw_uid))
        assert default_url() == f"duckdb://{pwd.getpwnam('nobody').pw_dir}/.local/share/memtap/memtap.duckdb"

    def test_the_default_store_makes_its_folder_for_its_user_alone(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        open_store(default_url()).close()
        assert (tmp_path / "memtap").stat().st_mode & 0o777 == 0o700

    def test_any_other_folder_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="no folder"):
            open_store(f"duckdb://{tmp_path}/missing/x.duckdb")


class TestMySQL:
    def test_the_whole_form(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MEMTAP_MYSQL_PASSWORD", raising=False)
        address = mysql("mysql://me@db.example:3307/calls?option_file=/etc/my.cnf&tls_ca=/ca.pem")
        assert (address.user, address.host, address.port, address.database) == ("me", "db.example", 3307, "calls")
        assert (address.option_file, address.unix_socket, address.tls) == ("/etc/my.cnf", "", {"ca": "/ca.pem"})
        assert address.password is None

    def test_the_database_is_proyecto1_unless_named(self) -> None:
        assert mysql("mysql://me@localhost").database == "proyecto1"
        assert mysql("mysql://me@localhost/").database == "proyecto1"

    @pytest.mark.parametrize(
        ("url", "mode"),
        [
            ("mysql://me@db.example/x", "VERIFY_IDENTITY"),
            ("mysql://me@10.0.0.1/x", "VERIFY_IDENTITY"),
            ("mysql:///x?option_file=/etc/my.cnf", "VERIFY_IDENTITY"),  # who knows which host stands there
            ("mysql://me@db.example/x?tls_mode=disabled", "DISABLED"),
            ("mysql://me@localhost/x", "PREFERRED"),
            ("mysql://me@127.0.0.1/x", "PREFERRED"),
            ("mysql://me@[::1]/x", "PREFERRED"),
            ("mysql:///x?unix_socket=/run/s", "PREFERRED"),
        ],
    )
    def test_tls_is_verified_wherever_others_could_listen(self, url: str, mode: str) -> None:
        assert mysql(url).tls_mode == mode

    @pytest.mark.parametrize(
        ("url", "what"),
        [
            ("mysql://me@host:port/x", "port"),
            ("mysql://me@host:70000/x", "port"),
            ("mysql://me@host/a/b", "no database name"),
            ("mysql://me@host/x?socket=/run/s", "unknown option 'socket'"),
            ("mysql://me@host/x?unix_socket", "cannot be taken apart"),
            ("mysql://me@host/x?tls_mode=maybe", "tls_mode"),
            ("mysql:me", "not a MySQL URL"),
        ],
    )
    def test_what_makes_no_sense_is_refused_in_one_line(self, url: str, what: str) -> None:
        with pytest.raises(UsageError, match=what) as caught:
            parse(url)
        assert "\n" not in str(caught.value)


class TestPasswords:
    SECRET = "s3cr3t"
    URLS = (
        "mysql://me:s3cr3t@host/x",
        "mysql://:s3cr3t@host/x",
        "mysql://me:s3cr3t@host:bad/x",
        "mysql://me:a@s3cr3t@host/x",
        "mysql://me:s3cr3t/y@host/x",
        "mysql://me:s3cr3t#y@host/x",
        "mysql://me:s3cr3t@host/x?nonsense=1",
        "foo://me:s3cr3t@host/x",
    )

    @pytest.mark.parametrize("url", URLS)
    def test_in_the_argument_list_it_is_refused_and_not_repeated(self, url: str) -> None:
        with pytest.raises(UsageError, match="--store holds a password") as caught:
            store_url(url)
        assert self.SECRET not in str(caught.value)

    def test_as_an_option_it_is_refused_too(self) -> None:
        with pytest.raises(UsageError, match="--store holds a password"):
            store_url("mysql://me@host/x?password=s3cr3t")

    @pytest.mark.parametrize("url", URLS)
    def test_no_error_shows_it(self, url: str) -> None:
        assert self.SECRET not in without_password(url)
        try:
            assert self.SECRET not in repr(parse(url))
        except UsageError as error:
            assert self.SECRET not in str(error)

    def test_in_a_file_it_is_taken_and_not_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "store"
        file.write_text("mysql://me:s3%40cr3t@host/x\n# ours\n")
        argument = store_url(f"@{file}")
        assert argument == f"@{file}"
        address = mysql(argument)
        assert (address.password, address.url) == ("s3@cr3t", "mysql://me@host/x")
        assert "cr3t" not in repr(address)

    def test_from_the_environment_it_is_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MEMTAP_MYSQL_PASSWORD", self.SECRET)
        assert mysql("mysql://me@host/x").password == self.SECRET
        monkeypatch.setenv("MEMTAP_STORE", "mysql://me:other@host/x")
        assert mysql(store_url(None)).password == "other"

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot read"):
            parse(f"@{tmp_path}/missing")
        (tmp_path / "empty").write_text("\n")
        with pytest.raises(UsageError, match="first line"):
            parse(f"@{tmp_path}/empty")


class TestChoice:
    def test_the_argument_goes_before_the_environment_and_that_before_the_default(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MEMTAP_STORE", "duckdb:///from/environment")
        assert store_url("null://") == "null://"
        assert store_url(None) == "duckdb:///from/environment"
        monkeypatch.delenv("MEMTAP_STORE")
        assert store_url(None) == default_url()

    def test_null(self) -> None:
        assert parse("null://") == NullAddress()

    @pytest.mark.parametrize("url", ["", "x", "sqlite:///x", "null://x", "/var/lib/x.duckdb"])
    def test_anything_else_is_refused_with_what_there_is(self, url: str) -> None:
        with pytest.raises(UsageError, match="use duckdb:///PATH, mysql://USER@HOST:PORT/DATABASE or null://"):
            parse(url)
