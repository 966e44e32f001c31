// All of it is written without a word in the page's own world, and without a write to the DOM.
return {
  born, later, left, renumber,
  ref: refOf, look: fresh(look), html: fresh(html), selection, checked: fresh(checked), node: nodeOf,
  aim: fresh(aim), grip: fresh(grip), put: fresh(put), choose: fresh(choose), scroll: fresh(scroll),
  copy: (text) => navigator.clipboard.writeText(text).then(() => true, () => false),
  frameBox: fresh(frameBox), covered: fresh(covered),
  arm: () => {
    listen(window);
    armed = true;
    return {};
  },
  disarm: () => {
    const pressed = presses > 0;
    armed = false;
    presses = 0;
    return pressed;
  },
};
