// Every visible text of a page, and every control that can be used, with its contrast (WCAG 2.2, 1.4.3 and
// 1.4.11): against what is really painted behind it, with all that is half transparent.
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

  // [red, green, blue, alpha] from 0 to 1, of whatever CSS calls a colour.
  function parsed(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  }

  const over = ([r, g, b, a], below) =>
    [r, g, b].map((part, n) => part * a + below[n] * (1 - a));

  function luminance(colour) {
    const [r, g, b] = colour.map((part) =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function contrast(one, other) {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  }

  // What is seen of a colour on an element and of the background there, opacities reckoned in.
  function seen(chain, colour, backdrop) {
    const [element, ...inner] = chain;
    const style = getComputedStyle(element);
    const behind = over(parsed(style.backgroundColor), backdrop);
    const pair = inner.length
      ? seen(inner, colour, behind)
      : [over(parsed(colour), behind), behind];
    return pair.map((each) => over([...each, Number(style.opacity)], backdrop));
  }

  function chainOf(element) {
    const chain = [];
    for (let each = element; each; each = each.parentElement) chain.unshift(each);
    return chain;
  }

  const page = document.createElement("div");
  page.style.backgroundColor = "Canvas";
  document.body.append(page);
  const paper = parsed(getComputedStyle(page).backgroundColor).slice(0, 3);
  page.remove();

  const visible = (element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    element.getClientRects().length > 0;
  const found = [];

  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data, parentElement } = texts.currentNode;
    // What is in a meter is for those who cannot see it; what cannot be used need not be read.
    if (!data.trim() || !visible(parentElement) || parentElement.closest("meter, :disabled")) continue;
    const { color, fontSize, fontWeight } = getComputedStyle(parentElement);
    const points = 0.75 * parseFloat(fontSize);
    const large = points >= 18 || (points >= 14 && Number(fontWeight) >= 700);
    const ratio = contrast(...seen(chainOf(parentElement), color, paper));
    found.push({ what: data.trim().slice(0, 60), ratio, wanted: large ? 3 : 4.5 });
  }

  // A control is told from the page by its border or by its own colour.
  for (const control of document.querySelectorAll("button:enabled")) {
    if (!visible(control)) continue;
    const chain = chainOf(control);
    const around = seen(chain.slice(0, -1), "transparent", paper)[1];
    const { borderTopColor, backgroundColor } = getComputedStyle(control);
    const edge = seen(chain.slice(0, -1), borderTopColor, paper)[0];
    const inside = seen(chain.slice(0, -1), backgroundColor, paper)[0];
    const ratio = Math.max(contrast(edge, around), contrast(inside, around));
    found.push({ what: `the border of ${control.textContent}`, ratio, wanted: 3 });
  }

  const { activeElement } = document;
  if (activeElement?.matches(":focus-visible")) {
    const { outlineColor, outlineStyle, outlineWidth } = getComputedStyle(activeElement);
    const chain = chainOf(activeElement).slice(0, -1);
    const shown = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    const ratio = shown ? contrast(...seen(chain, outlineColor, paper)) : 1;
    found.push({ what: `the focus on ${activeElement.id || activeElement.tagName}`, ratio, wanted: 3 });
  }

  const state = document.getElementById("state");
  const { phase } = state.dataset;
  for (const each of ["off", "lost", "listening", "hearing", "thinking", "working", "speaking"]) {
    state.dataset.phase = each;
    const dot = getComputedStyle(state, "::before").backgroundColor;
    found.push({ what: `the dot of ${each}`, ratio: contrast(...seen(chainOf(state), dot, paper)), wanted: 3 });
  }
  state.dataset.phase = phase;
  return found;
}
