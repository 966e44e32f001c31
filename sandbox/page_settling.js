// Settling: does the page wait for animation frames, and what moves ends at once.
let lastFrame = 0;
const waitsForFrames = () => {
  // The ids of animation frame requests are numbered through for all worlds: a gap says that the page has made one.
  const id = requestAnimationFrame(() => {});
  cancelAnimationFrame(id);
  const asked = id > lastFrame + 1;
  lastFrame = id;
  return asked;
};
const animationsIn = method(Document, "getAnimations");
const finishAnimations = () => {
  // Frames stand still between steps, so transitions and animations that end are ended at once; endless ones are left alone.
  let any = false;
  for (const animation of animationsIn(document)) {
    if (animation.playState !== "running" || !Number.isFinite(animation.effect?.getComputedTiming().endTime)) continue;
    animation.finish();
    any = true;
  }
  return any;
};
const unsettled = () => {
  const moved = finishAnimations();
  return waitsForFrames() || moved;
};
let due = 0;
const later = (ms) => {
  due = performance.now() + ms;
  return new Promise((resolve) => setTimeout(() => resolve(unsettled()), ms));
};
const left = () => due - performance.now();
