/** Debian's kernel and root file systems of its packages: `import { debianImage } from "hartvisor/debian"`. */
export { ROOT_TAG } from "../../demo/root.js";
export {
  type DemoImage,
  type DemoImageOptions,
  type DemoImageProgress,
  debianDemoImage,
  defaultCacheDirectory,
} from "./debian-image.js";
export { type DebianImageOptions, debianImage, type ImageProgress } from "./images/debian-root.js";
export { type Image, type ImageLayer, ImageStore } from "./images/store.js";
