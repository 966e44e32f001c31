// Where what is shown comes from: the server that gave the page, or the file that holds everything itself.

import { byId } from "./dom.js";

const held = byId("held") === null ? null : JSON.parse(byId("held").textContent);
const episodes = new Map();
const pictures = new Map();

export const isFile = held !== null;

export class Refused extends Error {}

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Refused((await answer.text()).trim());
  return answer.json();
}

export function readRun() {
  return held === null ? ask("run") : Promise.resolve(held.run);
}

export function readEpisode(number) {
  if (!episodes.has(number)) {
    const asked = held === null ? ask(`episode/${number}`) : Promise.resolve(held.episodes[number]);
    episodes.set(number, asked);
    asked.catch(() => episodes.delete(number));
    if (episodes.size > 60) episodes.delete(episodes.keys().next().value);
  }
  return episodes.get(number);
}

export function readRescored(number) {
  return held === null ? ask(`rescored/${number}`) : Promise.resolve(held.rescored[number]);
}

async function takePictures(number, isWanted) {
  while (isWanted()) {
    const told = await ask(`pictures/${number}`);
    if (told.ready) return { ...told, addresses: told.numbers.map((k) => (k === null ? null : `picture/${number}/${k}`)) };
  }
  pictures.delete(number);
  return null;
}

// Pictures once they are taken: `addresses` by moment, `note`, `differs_at`; null if nobody wants them any more.
export function readPictures(number, isWanted) {
  if (held !== null) {
    const told = held.pictures[number];
    return Promise.resolve({ ...told, addresses: told.numbers.map((k) => (k === null ? null : told.images[k])) });
  }
  if (!pictures.has(number)) {
    const taken = takePictures(number, isWanted);
    pictures.set(number, taken);
    taken.catch(() => pictures.delete(number));
  }
  return pictures.get(number);
}

export function exportAddress(numbers) {
  return `export/${numbers.join("/")}`;
}
