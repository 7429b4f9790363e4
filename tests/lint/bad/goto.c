/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A jump; the word in a comment (goto) and in "goto" is none. */
void
jump (void)
{
  puts ("goto out;");
  goto out;
out:
  return;
}
