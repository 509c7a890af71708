import fc from "fast-check";

// The same inputs for each mutant: whether it is noticed is then no matter of luck.
fc.configureGlobal({ seed: 4711 });
