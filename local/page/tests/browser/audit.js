// What is wrong with the page that is open, for those who do not see it or use no mouse, and for narrow screens. Each
// rule is one of WCAG 2.2, as far as it can be told by a program.
(() => {
  const wrong = [];
  const all = (s) => [...document.querySelectorAll(s)];
  const isShown = (n) => n.getClientRects().length > 0 && getComputedStyle(n).visibility !== 'hidden';
  const name = (n) => (n.getAttribute('aria-label') || (n.getAttribute('aria-labelledby') || '').split(' ').map((i) => document.getElementById(i)?.textContent || '').join('')
    || (n.labels && [...n.labels].map((l) => l.textContent).join('')) || n.textContent.trim() || [...n.querySelectorAll('[aria-label]')].map((m) => m.getAttribute('aria-label')).join(' ') || '').trim();
  if (!document.documentElement.lang) wrong.push('3.1.1: no language');
  if (!document.title) wrong.push('2.4.2: no title');
  if (all('h1').length !== 1) wrong.push(`1.3.1: ${all('h1').length} h1`);
  if (all('main').length !== 1) wrong.push('1.3.1: not one main');
  const ids = all('[id]').map((n) => n.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`4.1.1: id ${id} twice`);
  for (const n of all('a[href], button, input:not([type=hidden]), select, textarea, summary, [role=img], [role=region], [role=group]')) {
    if (isShown(n) && !name(n)) wrong.push(`4.1.2: no name: ${n.outerHTML.slice(0, 120)}`);
  }
  for (const n of all('[aria-labelledby]')) {
    for (const id of n.getAttribute('aria-labelledby').split(' ')) if (!document.getElementById(id)) wrong.push(`1.3.1: no ${id}`);
  }
  for (const n of all('[tabindex]')) if (+n.getAttribute('tabindex') > 0) wrong.push('2.4.3: a tabindex above 0');
  for (const n of all('th')) if (!n.hasAttribute('scope') && n.textContent.trim() && !n.closest('.vh')) wrong.push(`1.3.1: th without scope: ${n.textContent}`);
  // What scrolls can be scrolled by keys.
  for (const n of all('body *')) {
    const s = getComputedStyle(n);
    if (/auto|scroll/.test(s.overflowX) && n.scrollWidth > n.clientWidth + 1 && n.tabIndex < 0 && !n.querySelector('a[href], button, input')) {
      wrong.push(`2.1.1: scrolls without focus: ${n.className}`);
    }
  }
  // Contrast of text with what is behind it.
  const rgb = (text) => { const m = text.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m[3] === undefined ? 1 : m[3] }; };
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (n) => {
    let colour = [255, 255, 255];
    const chain = [];
    for (let at = n; at && at.nodeType === 1; at = at.parentElement) chain.unshift(at);
    for (const at of chain) {
      const { c, a } = rgb(getComputedStyle(at).backgroundColor.startsWith('rgb') ? getComputedStyle(at).backgroundColor : 'rgba(0, 0, 0, 0)');
      colour = colour.map((v, i) => v * (1 - a) + c[i] * a);
    }
    return colour;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const n = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(n) || !isShown(n) || n.closest('svg, .vh, option, noscript')) continue;
    seen.add(n);
    const [a, b] = [light(rgb(getComputedStyle(n).color).c), light(behind(n))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) wrong.push(`1.4.3: contrast ${ratio.toFixed(2)}: ${n.className} ${n.textContent.trim().slice(0, 40)}`);
  }
  if (document.scrollingElement.scrollWidth > innerWidth) {
    const wide = all('main *').filter((n) => n.getBoundingClientRect().right > innerWidth + 1 && !n.closest('.scroll, .graph, .log, pre'));
    wrong.push(`1.4.10: ${document.scrollingElement.scrollWidth} wide: ${wide.slice(0, 3).map((n) => n.outerHTML.slice(0, 90)).join(' | ')}`);
  }
  return wrong;
})()
