/** Packs the publishable packages into a folder; gives the paths of the tarballs. */
export function pack(folder: string): string[];
