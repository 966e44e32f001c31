// Runs in the page's own world before its scripts: a fixed start for Date, a seeded Math.random. Functions are wrapped in
// proxies of the native ones, so that they print as native.
"use strict";
(({ startMs, moveMs, seed }) => {
  const RealDate = Date;
  const realNow = RealDate.now;
  const DAY_MS = 86400000;
  let move = moveMs;
  if (move === null || realNow() + move < startMs || realNow() + move > startMs + DAY_MS) move = startMs - realNow();
  const now = () => realNow() + move;
  const MovedDate = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length ? args : [now()], newTarget === MovedDate ? target : newTarget),
    apply: (target) => new target(now()).toString(),
  });
  const define = (object, key, value) => Object.defineProperty(object, key, { value, writable: true, enumerable: false, configurable: true });
  define(RealDate, "now", new Proxy(realNow, { apply: () => now() }));
  define(RealDate.prototype, "constructor", MovedDate);
  define(globalThis, "Date", MovedDate);

  // sfc32, seeded with the episode's seed and the address within its origin
  let [a, b, c, d] = [seed >>> 0, Math.floor(seed / 4294967296) >>> 0, 0x9e3779b9, 1];
  const random = () => {
    const t = (((a + b) >>> 0) + d) >>> 0;
    d = (d + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = ((c << 21) | (c >>> 11)) >>> 0;
    c = (c + t) >>> 0;
    return t;
  };
  for (const char of location.pathname + location.search) {
    a = (a ^ char.codePointAt(0)) >>> 0;
    random();
  }
  for (let i = 0; i < 12; i++) random();
  define(Math, "random", new Proxy(Math.random, { apply: () => ((random() >>> 5) * 67108864 + (random() >>> 6)) / 9007199254740992 }));
})(MILEPOST_SETTINGS);
