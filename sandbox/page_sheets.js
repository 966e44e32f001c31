// What the page's style sheets are able to do, read once per sheet: most pages generate no text, change no letters, skip
// no content and put no pointing hand anywhere, so that most elements need not be asked for what costs more than all else.
const HARMLESS = new Set(["", "none", "normal", '""', "''"]);
const readRules = (rules, into) => {
  for (const rule of rules) {
    if (rule.cssRules?.length) readRules(rule.cssRules, into);
    const selector = rule.selectorText;
    if (!selector) continue;
    const { style } = rule;
    if (style.textTransform) into.transforms = true;
    if (style.contentVisibility) into.skips = true;
    const bare = /&|:host|::slotted/.test(selector) ? "*" : selector.replace(/::?(before|after)/g, "");
    if (style.cursor.includes("pointer")) {
      (selector.includes(":hover") ? into.hovers : into.pointers).push(bare.replaceAll(":hover", ""));
    }
    if (/:(before|after)/.test(selector) && !HARMLESS.has(style.content)) into.generators.push(bare);
  }
};
const readSheets = new WeakMap();
const readSheet = (sheet) => {
  let rules;
  try {
    rules = sheet.cssRules;
  } catch (error) {
    // another origin's: every element has to be asked
    return { transforms: true, skips: true, pointers: ["*"], hovers: [], generators: ["*"] };
  }
  let known = readSheets.get(sheet);
  if (!known || known.rules !== rules.length) {
    known = { rules: rules.length, transforms: false, skips: false, pointers: [], hovers: [], generators: [] };
    readRules(rules, known);
    readSheets.set(sheet, known);
  }
  return known;
};
const blank = document.createDocumentFragment();
const joined = (selectors) => {
  const selector = selectors.includes("*") ? "*" : [...new Set(selectors)].join(",");
  try {
    if (selector) blank.querySelector(selector);
  } catch (error) {
    return "*"; // one that means something only with its pseudo-element
  }
  return selector;
};
// Selectors of the elements concerned: "" for none, "*" for perhaps any.
const sheetFacts = (el) => {
  const root = rootOf(el);
  let facts = cached.sheets.get(root);
  if (facts) return facts;
  const inDocument = kindOf(root) === DOCUMENT;
  const sheets = inDocument || isShadow(root) ? [...sheetsOf(root), ...adoptedOf(root)].map(readSheet) : [];
  const within = isShadow(root) ? sheetFacts(root.host) : null;
  const inline = (selector) => inDocument && queryAll(root, selector).length > 0;
  facts = {
    generators: joined(sheets.flatMap((sheet) => sheet.generators)),
    pointers: joined(sheets.flatMap((sheet) => sheet.pointers)),
    hovers: joined(sheets.flatMap((sheet) => sheet.hovers)), // those that show the hand once the mouse is over them
    transforms: inline('[style*="text-transform"]') || Boolean(within?.transforms) || sheets.some((sheet) => sheet.transforms),
    skips: inline('[style*="content-visibility"],[hidden="until-found"]') || !inDocument || sheets.some((sheet) => sheet.skips),
  };
  cached.sheets.set(root, facts);
  return facts;
};
const isAmong = (el, selector) => selector !== "" && (selector === "*" || matches(el, selector));
