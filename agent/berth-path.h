/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which paths of a guest's files may be named, and what they mean (contract.md, Files): a pure
 * function of their bytes. Both sides include it; the agent is the one that counts. */
#pragma once

#include "berth-protocol.h"

#define BERTH_PATH_TMP "/tmp"

/* Why these bytes can't be a path at all; NULL: they can. */
static inline const char *
berth_path_problem (const char *path, size_t size)
{
  size_t component = 0;

  if (size == 0)
    return "the path is empty";
  if (size > BERTH_PATH_MAX)
    return "the path is longer than 4096 bytes";
  for (size_t i = 0; i < size; i++)
    {
      unsigned char byte = (unsigned char)path[i];

      if (byte < 0x20 || byte == 0x7f)
        return "the path has a control character";
      component = byte == '/' ? 0 : component + 1;
      if (component > BERTH_NAME_MAX)
        return "a name in the path is longer than 255 bytes";
    }
  return NULL;
}

/* Takes "", ".", and ".." with the name before it out; false when ".." leaves the beginning. The
 * result has no slash at either end and is no longer than the path. */
static inline bool
berth_path_normalize (const char *path, size_t size, char out[BERTH_PATH_MAX + 1])
{
  size_t fill = 0;

  for (size_t at = 0, end; at < size; at = end + 1)
    {
      for (end = at; end < size && path[end] != '/';)
        end++;
      if (end == at || (end == at + 1 && path[at] == '.'))
        continue;
      if (end == at + 2 && path[at] == '.' && path[at + 1] == '.')
        {
          if (fill == 0)
            return false;
          while (fill > 0 && out[fill - 1] != '/')
            fill--;
          fill -= fill > 0;
          continue;
        }
      if (fill > 0)
        out[fill++] = '/';
      memcpy (out + fill, path + at, end - at);
      fill += end - at;
    }
  out[fill] = '\0';
  return true;
}

/* Whether the normalized path is the root or below it; moves what is below to the front. */
static inline bool
berth_path_strip_root (char *path, const char *root)
{
  size_t length = strlen (root + 1);

  if (strncmp (path, root + 1, length) != 0 || (path[length] != '/' && path[length] != '\0'))
    return false;
  if (path[length] == '/')
    length++;
  memmove (path, path + length, strlen (path + length) + 1);
  return true;
}

/* Splits a path into one of two roots, `home` (absolute, normalized) or BERTH_PATH_TMP, and what is
 * below it, "." for the root itself. NULL: done; else why not. */
static inline const char *
berth_path_resolve (const char *path, size_t size, const char *home, const char **out_root,
                    char out[BERTH_PATH_MAX + 1])
{
  const char *problem = berth_path_problem (path, size);

  if (problem != NULL)
    return problem;
  if (!berth_path_normalize (path, size, out))
    return "the path leaves the sandbox's home";
  if (path[0] != '/' || berth_path_strip_root (out, home))
    *out_root = home;
  else if (berth_path_strip_root (out, BERTH_PATH_TMP))
    *out_root = BERTH_PATH_TMP;
  else
    return "an absolute path must be in the sandbox's home or in /tmp";
  if (out[0] == '\0')
    strcpy (out, ".");
  return NULL;
}
