/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256 as FIPS 180-4 has it, in plain C. Its cost under emulation is bearable beside that of the
 * channel, and a sum that is no secret of ours lets a caller compare files by it. */
#include "agent-sha256.h"

static const uint32_t round_constants[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t
rotate (uint32_t word, unsigned bits)
{
  return word >> bits | word << (32 - bits);
}

static uint32_t
read_word (const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8
         | (uint32_t)bytes[3];
}

static void
expand (const uint8_t *block, uint32_t words[64])
{
  for (unsigned i = 0; i < 16; i++)
    words[i] = read_word (block + 4 * i);
  for (unsigned i = 16; i < 64; i++)
    {
      uint32_t early = words[i - 15], late = words[i - 2];

      words[i] = words[i - 16] + (rotate (early, 7) ^ rotate (early, 18) ^ early >> 3)
                 + words[i - 7] + (rotate (late, 17) ^ rotate (late, 19) ^ late >> 10);
    }
}

static void
compress (uint32_t state[8], const uint8_t *block)
{
  uint32_t words[64];
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

  expand (block, words);
  for (unsigned i = 0; i < 64; i++)
    {
      uint32_t first = h + (rotate (e, 6) ^ rotate (e, 11) ^ rotate (e, 25)) + ((e & f) ^ (~e & g))
                       + round_constants[i] + words[i];
      uint32_t second
          = (rotate (a, 2) ^ rotate (a, 13) ^ rotate (a, 22)) + ((a & b) ^ (a & c) ^ (b & c));

      h = g, g = f, f = e, e = d + first;
      d = c, c = b, b = a, a = first + second;
    }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void
berth_agent_sha256_init (BerthAgentSha256 *self)
{
  *self = (BerthAgentSha256){ .state = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                         0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

void
berth_agent_sha256_add (BerthAgentSha256 *self, const void *bytes, size_t size)
{
  const uint8_t *at = bytes;
  size_t fill = self->size % sizeof self->block;

  self->size += size;
  while (size > 0)
    {
      size_t count = sizeof self->block - fill < size ? sizeof self->block - fill : size;

      if (count == sizeof self->block)
        compress (self->state, at);
      else
        {
          memcpy (self->block + fill, at, count);
          if (fill + count == sizeof self->block)
            compress (self->state, self->block);
        }
      fill = (fill + count) % sizeof self->block;
      at += count;
      size -= count;
    }
}

/* The sum of what was added so far; more may be added after it. */
void
berth_agent_sha256_end (const BerthAgentSha256 *self, uint8_t out[BERTH_SHA256_SIZE])
{
  BerthAgentSha256 padded = *self;
  uint64_t bits = self->size * 8;
  size_t fill = self->size % sizeof self->block;
  uint8_t tail[72] = { 0x80 };
  size_t zeros = (fill < 56 ? 56 : 120) - fill; /* the mark counted */

  for (unsigned i = 0; i < 8; i++)
    tail[zeros + i] = (uint8_t)(bits >> (56 - 8 * i));
  berth_agent_sha256_add (&padded, tail, zeros + 8);
  for (unsigned i = 0; i < 32; i++)
    out[i] = (uint8_t)(padded.state[i / 4] >> (24 - 8 * (i % 4)));
}
