"""The table on the screen. Textual, as it has a table that scrolls, is tested without a terminal, and is well kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from memtap.errors import MemtapError
from memtap.top.table import BY_KEY, COLUMNS, Column, Line, chosen, lines, summary

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from memtap.top.sources import Sample, Source

MOST_ROWS = 200  # on the table: more than anybody scrolls through, and a filter finds the others


class Top(App[None]):
    """`run` returns when the user quits."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #summary { height: 1; text-style: bold; }
    #note { height: auto; color: $warning; }
    #filter { border: none; height: 1; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("slash", "filter", "filter"),
        Binding("escape", "clear", "all", show=False),
        Binding("space", "pause", "pause"),
        Binding("i", "reverse", "reverse"),
        Binding("less_than_sign,left", "sort(-1)", "sort by", key_display="← →"),
        Binding("greater_than_sign,right", "sort(1)", "sort by", show=False),
    ]

    def __init__(self, source: Source, *, interval_s: float, column: Column, reverse: bool, pattern: str) -> None:
        super().__init__()
        self._source = source
        self._interval_s = interval_s
        self._column = column
        self._reverse = reverse
        self._pattern = pattern
        self._before: Sample | None = None
        self._now: Sample | None = None
        self._lines: list[Line] = []
        self._paused = False
        self._error = ""

    def compose(self) -> ComposeResult:
        yield Static("memtap top", id="summary", markup=False)
        yield Static("", id="note", markup=False)
        yield DataTable[Text](cursor_type="row", zebra_stripes=True)
        yield Input(self._pattern, placeholder="part of a name, a user or a pid", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#filter", Input).display = False
        self._table.focus()
        self._head()
        self.look()
        self.set_interval(self._interval_s, self.look)

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one(DataTable)

    @work(thread=True, exclusive=True, exit_on_error=False)
    def look(self) -> None:
        """One sample, off the screen's thread. A tick that comes while one is under way is left out."""
        if self._paused:
            return
        try:
            sample = self._source.sample()
        except MemtapError as error:
            self.call_from_thread(self._fail, str(error))
        else:
            self.call_from_thread(self._take, sample)

    def _fail(self, error: str) -> None:
        self._error = error
        self._show()

    def _take(self, sample: Sample) -> None:
        self._error = ""
        self._before, self._now = self._now, sample
        self._lines = lines(self._before, sample)
        self._show()

    def _head(self) -> None:
        self._table.clear(columns=True)
        for column in COLUMNS:
            mark = (" ▲" if self._reverse is column.numeric else " ▼") if column is self._column else ""
            self._table.add_column(Text(f"{column.name}{mark}", justify="right" if column.numeric else "left"))

    def _show(self) -> None:
        note = self.query_one("#note", Static)
        note.update(self._error or (self._now.note if self._now else ""))
        if self._now is None:
            return
        shown = chosen(self._lines, self._pattern, self._column, reverse=self._reverse)
        paused = " · paused" if self._paused else ""
        searched = f" · filter: {self._pattern}" if self._pattern and self._table.has_focus else ""
        self.query_one("#summary", Static).update(summary(self._now, shown) + searched + paused)
        self._fill(shown[:MOST_ROWS])

    def _fill(self, shown: list[Line]) -> None:
        """The cursor stays on its process, else on its line; the view where it was scrolled to."""
        table = self._table
        at, left, top = table.cursor_row, table.scroll_x, table.scroll_y
        keys = [row.value for row in table.rows]
        chosen_key = keys[at] if at < len(keys) else None
        table.clear()
        for line in shown:
            # Text, not str: markup in a name is a name.
            cells = (Text(column.show(line), justify="right" if column.numeric else "left") for column in COLUMNS)
            table.add_row(*cells, key=str(line.row.id))
        now = {str(line.row.id): row for row, line in enumerate(shown)}
        table.move_cursor(row=now.get(chosen_key or "", min(at, max(0, len(shown) - 1))), animate=False, scroll=False)
        table.scroll_to(left, top, animate=False)

    def on_key(self, event: object) -> None:
        """A column's letter sorts by it; once more turns it round."""
        character = getattr(event, "character", None)
        column = BY_KEY.get(character or "")
        if column is None or self.focused is self.query_one("#filter", Input):
            return
        self._sort(column)

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        self._sort(COLUMNS[event.column_index])

    def _sort(self, column: Column) -> None:
        self._reverse = not self._reverse if column is self._column else False
        self._column = column
        self._head()
        self._show()

    def action_sort(self, step: int) -> None:
        """The next column, or the one before."""
        self._reverse = False
        self._column = COLUMNS[(COLUMNS.index(self._column) + step) % len(COLUMNS)]
        self._head()
        self._show()

    def action_reverse(self) -> None:
        self._sort(self._column)

    def action_pause(self) -> None:
        self._paused = not self._paused
        self._show()

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        self.set_focus(box)  # now: what is typed next is meant for it

    def action_clear(self) -> None:
        box = self.query_one("#filter", Input)
        box.value = ""
        box.display = False
        self.set_focus(self._table)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._pattern = event.value
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.input.display = False
        self.set_focus(self._table)

    def on_descendant_focus(self) -> None:
        self._show()
