// All the JavaScript there is; every view works without it.
'use strict';
const root = document.documentElement, q = (s, n = document) => [...n.querySelectorAll(s)];
// Light or dark: as the system says, until somebody chooses.
const wanted = new URLSearchParams(location.search).get('theme');
let chosen = null;
try { chosen = localStorage.getItem('theme'); } catch { /* Storage may be switched off. */ }
if (wanted || chosen) root.dataset.theme = wanted || chosen;
const theme = document.getElementById('theme');
const isDark = () => (root.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
if (theme) {
  const name = () => { theme.textContent = isDark() ? 'Light' : 'Dark'; };
  theme.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    try { localStorage.setItem('theme', root.dataset.theme); } catch { /* Then it holds for this page. */ }
    name();
  });
  theme.hidden = false;
  name();
}
// The time zone: the browser's own is one of the choices.
const zone = document.getElementById('tz');
if (zone) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (own && ![...zone.options].some((o) => o.value === own)) zone.add(new Option(`${own} (this browser’s)`, own));
  zone.addEventListener('change', () => zone.form.requestSubmit());
}
// Log lines: filtered where they are, so that the browser's own search still finds every line that is shown.
const filter = () => {
  const form = document.querySelector('form[data-filters]');
  const table = form && document.getElementById(form.dataset.filters);
  if (!table) return;
  const rows = q('tbody tr', table), say = form.querySelector('output');
  const d = new FormData(form), text = (d.get('q') || '').toLowerCase(), from = d.get('level') || '', fn = d.get('fn') || '';
  const levels = { E: 'E', W: 'EW', I: 'EWI' }[from] || '';
  let shown = 0;
  for (const r of rows) {
    const is = (!levels || levels.includes(r.cells[1].textContent)) && (!fn || r.querySelector('b').textContent === fn) && r.textContent.toLowerCase().includes(text);
    r.hidden = !is;
    if (is) shown++;
  }
  say.textContent = `${shown} of ${rows.length} lines`;
};
document.addEventListener('input', (e) => { if (e.target.closest('form[data-filters]')) filter(); });
document.addEventListener('submit', (e) => { if (e.target.matches('form[data-filters]')) { e.preventDefault(); filter(); } });
filter();
// Arrow keys move between the runs of the grid.
document.addEventListener('keydown', (k) => {
  const at = document.activeElement;
  if (!at.classList.contains('colh') || !['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(k.key)) return;
  const all = q('.colh'), n = all.indexOf(at);
  const to = { ArrowLeft: n - 1, ArrowRight: n + 1, Home: 0, End: all.length - 1 }[k.key];
  if (all[to]) { all[to].focus(); k.preventDefault(); }
});
// A graph that is wider than its box shows its middle first.
const center = () => { for (const g of q('.graph')) g.scrollLeft = (g.scrollWidth - g.clientWidth) / 2; };
center();
// A form that was sent is not sent twice.
document.addEventListener('submit', (e) => { if (e.target.method === 'post') setTimeout(() => q('button', e.target).forEach((b) => { b.disabled = true; })); });

// The page is live: the server says which parts changed, and these are fetched.
const live = document.querySelector('.live'), pause = document.getElementById('pause');
if (live && pause) {
  let source = null, lost = 0, paused = false;
  const told = document.getElementById('still');
  const say = (text, still) => {
    live.textContent = text;
    live.classList.toggle('paused', still);
    if (told.textContent !== (still ? text : '')) told.textContent = still ? text : '';
  };
  const busy = (part) => part.contains(document.activeElement) && document.activeElement !== document.body
    || part.querySelector('details[open]')
    || (getSelection().toString() && part.contains(getSelection().anchorNode));
  // Parts that have changed and are not swapped yet, as their reader was at work in them: a change is told once.
  const pending = new Set(), turns = {};
  const swap = async (name) => {
    const old = document.getElementById(`part-${name}`);
    // It is another view now: what was being read is there.
    if (!old) { location.reload(); return; }
    pending.add(name);
    if (busy(old)) return;
    pending.delete(name);
    const turn = turns[name] = (turns[name] || 0) + 1;
    const url = new URL(location.href);
    url.searchParams.set('part', name);
    url.hash = '';
    let next = null;
    try {
      const answer = await fetch(url);
      if (!answer.ok) return;
      next = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(`part-${name}`);
    } catch { pending.add(name); return; }
    // What was fetched last is the newest.
    if (!next || turns[name] !== turn) return;
    if (busy(old)) { pending.add(name); return; }
    const scrolls = q('.scroll, .log, .graph', old).map((n) => [n.scrollLeft, n.scrollTop]);
    const kept = new FormData(old.querySelector('form[data-filters]') || undefined);
    old.replaceWith(next);
    const form = next.querySelector('form[data-filters]');
    if (form) for (const [k, v] of kept) if (form.elements[k]) form.elements[k].value = v;
    q('.scroll, .log, .graph', next).forEach((n, i) => { if (scrolls[i]) [n.scrollLeft, n.scrollTop] = scrolls[i]; });
    filter();
  };
  const late = () => { if (source) [...pending].forEach(swap); };
  document.addEventListener('focusout', () => setTimeout(late));
  document.addEventListener('toggle', late, true);
  document.addEventListener('selectionchange', late);
  const close = () => { if (source) source.close(); source = null; };
  const open = () => {
    close();
    source = new EventSource(`/live?view=${encodeURIComponent(location.pathname + location.search)}&seen=${live.dataset.version}`);
    live.dataset.version = '';
    source.addEventListener('time', (e) => { lost = 0; say(`Live · ${e.data}`, false); late(); });
    // What was written before the stack was read lacks what stands around the parts.
    source.addEventListener('part', (e) => { if (live.dataset.unread) location.reload(); else swap(e.data); });
    source.onerror = () => {
      if (++lost < 6) { say('Trying again …', true); if (source.readyState === EventSource.CLOSED) setTimeout(open, 1000); return; }
      close();
      say('Stopped', true);
      document.getElementById('gone').hidden = false;
    };
  };
  pause.hidden = false;
  pause.addEventListener('click', () => {
    paused = !paused;
    pause.textContent = paused ? 'Go on' : 'Pause';
    if (paused) { close(); say('Paused', true); } else { lost = 0; open(); }
  });
  document.addEventListener('visibilitychange', () => { if (document.hidden) close(); else if (!paused && !source) open(); });
  if (!document.hidden) open();
}
