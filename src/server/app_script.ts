/** The script of the pages of `serve` and `review`, as a browser runs it: plain JavaScript, no backquotes. */
export const APP_SCRIPT = `'use strict';
(async () => {
  const $ = (id) => document.getElementById(id);
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  const cards = $('cards'), status = $('status');
  const isReview = $('review') !== null;
  let current = null, classNames = [], saves = false;
  const undoable = [];

  const say = (text, isBad) => { status.textContent = text; status.classList.toggle('bad', !!isBad); };
  const el = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === 'class') made.className = value;
      else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  async function ask(path, body) {
    for (let attempt = 0; ; attempt++) {
      const headers = { 'content-type': 'application/octet-stream', ...(token ? { authorization: 'Bearer ' + token } : {}) };
      const response = await fetch(path, body === undefined ? { headers } : { method: 'POST', body, headers })
        .catch(() => { throw new Error('The server does not answer; start it again'); });
      if (response.status === 429 && attempt < 60) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        continue;
      }
      if (response.headers.get('content-type').startsWith('image/')) return response.blob();
      const answer = await response.json();
      if (!response.ok && !('file' in answer)) throw new Error(answer.error);
      return answer;
    }
  }

  const percent = (share) => (100 * share).toFixed(1) + '%';
  /** As people read the name of a class: "Cardinal" for "017.Cardinal". */
  const shown = (name) => name.replace(/^\\d+[\\s._-]+(?=\\p{L})/u, '').replace(/_+/g, ' ').trim() || name;

  function rows(probabilities) {
    const best = Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, 5);
    const row = ([name, share]) => {
      const bar = el('div', { class: 'bar' });
      bar.style.setProperty('--share', share.toFixed(4));
      return el('tr', {}, el('td', { class: 'text' }, el('bdi', {}, shown(name))), el('td', {}, percent(share)), el('td', {}, bar));
    };
    return el('table', { class: 'rows' }, el('tbody', {}, ...best.map(row)));
  }

  /** The keys 1 to 9: the classes in their order, or of many those that are likeliest here. */
  function keyed(card) {
    if (classNames.length <= 9) return classNames;
    const shares = card.shares || {};
    return [...classNames].sort((a, b) => (shares[b] || 0) - (shares[a] || 0)).slice(0, 5);
  }

  function buttons(card) {
    const keys = keyed(card.info);
    const all = keys.map((name, i) => el('button', {
      type: 'button', 'aria-pressed': 'false', 'aria-keyshortcuts': String(i + 1), 'data-label': name,
      onclick: () => choose(card, name),
    }, el('kbd', { 'aria-hidden': 'true' }, String(i + 1)), ' ', el('bdi', {}, shown(name))));
    if (keys.length < classNames.length) {
      const select = el('select', { 'aria-label': 'Another class', onchange: () => select.value && choose(card, select.value) },
        el('option', { value: '' }, 'another…'));
      // Thousands of classes under each of hundreds of pictures would be slow: they come when they are asked for.
      select.addEventListener('focus', () => select.append(...[...classNames].sort().map((name) => el('option', { value: name }, shown(name)))), { once: true });
      all.push(select);
    }
    return el('div', { class: 'keys', role: 'group', 'aria-label': 'What it is' }, ...all);
  }

  function makeCard(info) {
    const card = el('li', { class: 'card', tabindex: '0' });
    card.info = info;
    card.addEventListener('focusin', () => setCurrent(card));
    const image = el('img', { alt: '' });
    image.addEventListener('error', () => image.replaceWith(el('span', { class: 'blank' }, 'your browser can not show this kind of image')));
    card.append(image, el('p', { class: 'said' }, '…'), el('p', { class: 'name' }, el('bdi', {}, info.name)));
    cards.append(card);
    return card;
  }

  /** What the model says, beside the picture. */
  function fill(card, said, chips, shares) {
    const line = card.querySelector('.said');
    line.replaceChildren(said, ...chips.map((chip) => el('span', { class: 'chip ' + chip.look }, chip.text)));
    card.info.shares = shares;
    card.setAttribute('aria-label', [card.info.name, said, ...chips.map((chip) => chip.text)].join(', '));
    if (shares) line.after(rows(shares));
    if (saves && shares) card.append(buttons(card), el('p', { class: 'name state' }));
  }

  function setCurrent(card, focus) {
    if (current) current.classList.remove('current');
    current = card;
    if (!card) return;
    card.classList.add('current');
    if (focus) card.focus({ preventScroll: false });
  }

  const isOpen = (card) => card.info.shares && !card.classList.contains('done');
  const isDoubtful = (card) => isOpen(card) && (isReview || card.classList.contains('unsure'));

  function move(step, holds) {
    const all = [...cards.children];
    if (all.length === 0) return;
    const from = current ? all.indexOf(current) : step > 0 ? -1 : all.length;
    for (let i = from + step; i >= 0 && i < all.length; i += step) if (!holds || holds(all[i])) return setCurrent(all[i], true);
  }

  async function choose(card, label) {
    if (!saves || card.busy) return;
    card.busy = true;
    try {
      const query = '?label=' + encodeURIComponent(label);
      const answer = isReview
        ? await ask('/label' + query + '&at=' + card.info.at, '')
        : await ask('/correct' + query + '&name=' + encodeURIComponent(card.info.name), card.info.file);
      for (const button of card.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.dataset.label === label));
      card.classList.add('done');
      const text = answer.confirmed ? 'The label is right.' : answer.isNew ? 'Saved as ' + answer.file + '.' : 'It is there already: ' + answer.file + '.';
      card.querySelector('.state').textContent = text;
      if (answer.isNew) undoable.push({ card, file: answer.file });
      say(card.info.name + ' is ' + shown(label) + '. ' + text + (answer.isNew ? ' U takes it back.' : ''));
      count(answer.count);
      if (card === current) move(1, isDoubtful);
    } catch (error) {
      say(error.message, true);
    } finally {
      card.busy = false;
    }
  }

  async function undo() {
    try {
      const { undone, count: left } = await ask('/undo', '');
      if (undone === null) return say('There is nothing to take back.');
      const at = undoable.findLastIndex(({ file }) => file === undone);
      const [entry] = at >= 0 ? undoable.splice(at, 1) : [];
      if (entry) {
        entry.card.classList.remove('done');
        entry.card.querySelector('.state').textContent = '';
        for (const button of entry.card.querySelectorAll('button')) button.setAttribute('aria-pressed', 'false');
        setCurrent(entry.card, true);
      }
      say('Taken back: ' + undone + '.');
      count(left);
    } catch (error) {
      say(error.message, true);
    }
  }

  function count(corrections) {
    if ($('count')) $('count').textContent = corrections + (corrections === 1 ? ' correction' : ' corrections');
    if ($('undo')) $('undo').disabled = false;
  }

  document.addEventListener('keydown', (event) => {
    const isTyping = /^(SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.altKey || isTyping) return;
    const isUndo = event.key === 'u' || (event.key === 'z' && (event.ctrlKey || event.metaKey));
    if ((event.ctrlKey || event.metaKey) && !isUndo) return;
    if (isUndo) undo();
    else if (/^[1-9]$/.test(event.key)) {
      const card = current || [...cards.children].find(isDoubtful);
      const label = card && card.info.shares && keyed(card.info)[Number(event.key) - 1];
      if (label === undefined || !card) return;
      setCurrent(card);
      choose(card, label);
    } else if (['ArrowRight', 'ArrowDown', 'j'].includes(event.key)) move(1);
    else if (['ArrowLeft', 'ArrowUp', 'k'].includes(event.key)) move(-1);
    else if (event.key === 'n') move(1, isDoubtful);
    else return;
    event.preventDefault();
  });
  if ($('undo')) $('undo').addEventListener('click', undo);

  // The page that classifies: a few images are on their way at a time.
  const queue = [];
  let running = 0, answered = 0, unsure = 0;
  async function classify(file) {
    const card = makeCard({ name: file.name || 'pasted image', file });
    const image = card.querySelector('img');
    image.src = URL.createObjectURL(file);
    image.alt = card.info.name;
    queue.push(card);
    while (running < 4 && queue.length > 0) work(queue.shift());
  }
  async function work(card) {
    running += 1;
    try {
      const answer = await ask('/predict', card.info.file);
      if (answer.error) throw new Error('can not be used: it ' + answer.error);
      const chips = { none: [], some: [{ look: 'info', text: 'probably' }], much: [{ look: 'warning', text: 'unsure' }] }[answer.doubt];
      card.classList.toggle('unsure', answer.unsure);
      unsure += answer.unsure ? 1 : 0;
      if (answer.group) chips.push({ look: 'info', text: 'at least: ' + answer.group.name });
      fill(card, shown(answer.guess), chips, answer.probabilities);
    } catch (error) {
      card.classList.add('failed');
      fill(card, error.message, []);
    }
    answered += 1;
    running -= 1;
    if (running === 0 && queue.length === 0 && !current) setCurrent([...cards.children].find(isDoubtful) || null);
    say(answered + (answered === 1 ? ' image' : ' images') + ' answered, ' + unsure + ' unsure.');
    if (queue.length > 0) work(queue.shift());
  }
  const take = (files) => { for (const file of files) classify(file); };

  // The page that reviews: the next images when the end comes near.
  let next = 0, total = Infinity, loading = false;
  async function load() {
    if (loading || next >= total) return;
    loading = true;
    try {
      const page = await ask('/doubts?from=' + next);
      total = page.total;
      for (const item of page.items) {
        const card = makeCard(item);
        const chips = [{ look: item.kind === 'mistake' ? 'critical' : 'warning', text: item.why }];
        fill(card, shown(item.label), chips, item.probabilities);
        card.querySelector('img').alt = item.name;
        ask('/image?at=' + item.at).then((blob) => { card.querySelector('img').src = URL.createObjectURL(blob); })
          .catch((error) => card.querySelector('img').replaceWith(el('span', { class: 'blank' }, error.message)));
      }
      next += page.items.length;
      if (!current) setCurrent(cards.firstElementChild, true);
      if (total === 0) say('There is nothing to doubt.');
      $('more').hidden = next >= total;
    } catch (error) {
      say(error.message, true);
    }
    loading = false;
  }

  try {
    const model = await ask('/model');
    classNames = model.classNames;
    saves = model.corrections !== null;
    if (saves) {
      count(model.corrections.count);
      $('folder').textContent = model.corrections.folder;
    }
    if ($('undo')) $('undo').disabled = true;
  } catch (error) {
    return say(error.message, true);
  }
  if (isReview) {
    $('more').addEventListener('click', load);
    new IntersectionObserver((seen) => { if (seen[0].isIntersecting) load(); }, { rootMargin: '600px' }).observe($('more'));
    return load();
  }
  const drop = $('drop');
  $('files').addEventListener('change', (event) => { take([...event.target.files]); event.target.value = ''; });
  for (const name of ['dragenter', 'dragover']) document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add('over'); });
  for (const name of ['dragleave', 'drop']) document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove('over'); });
  document.addEventListener('drop', (event) => take([...event.dataTransfer.files]));
  document.addEventListener('paste', (event) => {
    const files = [...event.clipboardData.files];
    if (files.length > 0) take(files);
    else say('The clipboard has no image; copy one, or a file.', true);
  });
})();
`;
