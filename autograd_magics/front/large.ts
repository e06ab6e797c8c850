/** A bundle of its own, put in front of the view of large recordings: what only those need. */
export { expanded } from "./columns";
export { drawMinimap } from "./draw/minimap";
export { Overview } from "./draw/overview";
export { layoutSoon } from "./layout/worker";
