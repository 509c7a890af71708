import { unanswered } from "./fault-groups.js";
import { fault, losesNoneUnder } from "./loses-none.js";

losesNoneUnder(unanswered.map(fault));
