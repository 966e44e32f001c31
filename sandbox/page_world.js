// Runs in the page's own world before its scripts: a fixed start for Date and performance, a seeded Math.random. Functions
// are wrapped in proxies of the native ones, so that they print as native.
//
// Time is read from the high resolution clock and rounded to a millisecond since the episode's start. Date.now() rounds
// down at wherever a process' clock has come to, so the same episode would now and then show one millisecond more.
"use strict";
(({ startMs, moveMs, seed }) => {
  const RealDate = Date;
  const clock = performance;
  const clockNow = Performance.prototype.now;
  const origin = clock.timeOrigin;
  const realNow = () => origin + Reflect.apply(clockNow, clock, []);
  const DAY_MS = 86400000;
  let move = moveMs;
  if (move === null || realNow() + move < startMs || realNow() + move > startMs + DAY_MS) move = startMs - realNow();
  const now = () => Math.round(realNow() + move);
  const born = now();
  const MovedDate = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length ? args : [now()], newTarget === MovedDate ? target : newTarget),
    apply: (target) => new target(now()).toString(),
  });
  const define = (object, key, value) => Object.defineProperty(object, key, { value, writable: true, enumerable: false, configurable: true });
  define(RealDate, "now", new Proxy(RealDate.now, { apply: () => now() }));
  define(RealDate.prototype, "constructor", MovedDate);
  define(globalThis, "Date", MovedDate);
  const checked = (value) => ({ apply: (target, self, args) => (Reflect.apply(target, self, args), value()) });
  define(Performance.prototype, "now", new Proxy(clockNow, checked(() => now() - born)));
  const timeOrigin = Object.getOwnPropertyDescriptor(Performance.prototype, "timeOrigin");
  Object.defineProperty(Performance.prototype, "timeOrigin", { ...timeOrigin, get: new Proxy(timeOrigin.get, checked(() => born)) });
  const stamps = [[Event.prototype, "timeStamp"], [AnimationTimeline.prototype, "currentTime"]];
  for (const [prototype, name] of stamps) {
    const property = Object.getOwnPropertyDescriptor(prototype, name);
    Object.defineProperty(prototype, name, { ...property, get: new Proxy(property.get, checked(() => now() - born)) });
  }
  const stamped = (callback) => (typeof callback === "function" ? () => Reflect.apply(callback, undefined, [now() - born]) : callback);
  const onFrame = { apply: (target, self, args) => Reflect.apply(target, self, [stamped(args[0]), ...args.slice(1)]) };
  define(globalThis, "requestAnimationFrame", new Proxy(requestAnimationFrame, onFrame));
  // A tab of ours has no opener, so no script may close it; and its window, whose size pictures have, is not the page's.
  for (const name of ["close", "moveBy", "moveTo", "resizeBy", "resizeTo"]) {
    define(globalThis, name, new Proxy(globalThis[name], { apply: () => undefined }));
  }

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
