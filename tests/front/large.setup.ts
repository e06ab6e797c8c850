/** In the output of a large recording this stands in front of the view; here it is put where that would be. */
import * as large from "../../autograd_magics/front/large";

Object.assign(globalThis, { agmLarge: large });
