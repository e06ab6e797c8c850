/** What only large recordings need, where it was put in front of this program; the outputs of small ones go without. */
import type * as Large from "./large";

declare const agmLarge: typeof Large | undefined;

export const large = (): typeof Large | undefined => (typeof agmLarge === "undefined" ? undefined : agmLarge);
