/** Which glyph is under the pointer, also among 100,000: a static spatial index of their places. */
import Flatbush from "flatbush";
import type { Places } from "./layout.ts";

export interface Hits {
  /** The glyph nearest to a point within an ellipse of layout units; -1 for none. */
  at(x: number, y: number, reachX: number, reachY: number): number;
  /** The glyphs inside a box. */
  within(minX: number, minY: number, maxX: number, maxY: number): number[];
}

export function indexPlaces(places: Places): Hits {
  const count = places.x.length;
  if (count === 0) return { at: () => -1, within: () => [] };
  const tree = new Flatbush(count, 32);
  for (let item = 0; item < count; item++) tree.add(places.x[item], places.y[item]);
  tree.finish();
  return {
    within: (minX, minY, maxX, maxY) => tree.search(minX, minY, maxX, maxY),
    at(x, y, reachX, reachY) {
      let found = -1;
      let least = 1;
      for (const item of tree.search(x - reachX, y - reachY, x + reachX, y + reachY)) {
        const away = ((places.x[item] - x) / reachX) ** 2 + ((places.y[item] - y) / reachY) ** 2;
        if (away <= least) [found, least] = [item, away];
      }
      return found;
    },
  };
}
