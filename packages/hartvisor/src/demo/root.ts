/** How the demo's /init finds the root file system that it is to boot into. */

/**
 * The tag of a shared folder that is the guest's root: /init of {@link debianDemoImage} mounts it and goes on there.
 *
 * @example
 * const devices = [virtioFs({ tree, tag: ROOT_TAG })];
 */
export const ROOT_TAG = "hartvisor.root";
