// SPDX-License-Identifier: LGPL-2.1-or-later
// The no-op of a rehearsal: in a folder of its own, for what Node.js remembers of the folders around a
// script must not be of the user's.
console.log(1);
