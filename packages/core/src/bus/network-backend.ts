/** Where a network card's frames go: what a card and its network know of each other. */

/** A frame whose checksum or segmentation is left to whoever sends it on, as virtio and network cards have it. */
export interface FrameOffload {
  /** From here on the checksum counts; its field holds the sum of the pseudo-header. 0: nothing is left to do. */
  readonly checksumStart: number;
  /** Where the checksum's field is, from there. */
  readonly checksumOffset: number;
  /** Bytes of payload of each TCP segment that the frame stands for; 0 if it is one. */
  readonly segmentSize: number;
}

/** A card as its network sees it. */
export interface NetworkCard {
  /** Bytes of payload that one TCP frame to the guest may have: more than a segment if the guest cuts it itself. */
  readonly largestSegment: number;
  /** Gives the guest a frame, in parts; false, and nothing given, while it has no room: `ready` is called when it has. */
  deliver(parts: readonly Uint8Array[], offload?: FrameOffload): boolean;
}

/** What a card is plugged into. No frame of a guest makes any of its methods throw. */
export interface NetworkBackend {
  /** The guest's driver is up; undefined: it is gone. */
  connect(card: NetworkCard | undefined): void;
  /** The guest sent a frame, of which the offload is left to do; the bytes are the network's to keep, not to change. */
  receive(frame: Uint8Array, offload?: FrameOffload): void;
  /** All frames of one doorbell were handed over. */
  flush(): void;
  /** Frames of the guest's were lost on their way here, from another thread. Default: nobody counts them. */
  lost?(frames: number): void;
  /** The guest has room again. */
  ready(): void;
  /** Gives back what the network holds of its host. */
  close(): Promise<void>;
}
