// The one card of the selected process: it stands below whichever table is shown.

const card = document.createElement("memtap-process");

/** Put the card at the end of `panel`, before `next` if there is one. */
export function placeCard(panel, next = null) {
  if (card.parentElement !== panel) panel.insertBefore(card, next);
}
