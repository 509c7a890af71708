#!/usr/bin/env bash
# Makes examples/assets/call.wav: a contact-centre call as a recorder would keep it. Two channels (agent left, customer
# right), 8 kHz, 16 bit, telephone band. The voices are synthetic and every name and number in it is invented.
#
# Needs two Debian packages: apt-get install espeak-ng sox. Made with espeak-ng 1.51 and SoX 14.4.2.
set -euo pipefail

target="${1:-$(cd "$(dirname "$0")/.." && pwd)/examples/assets/call.wav}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

rate=8000
clock=0.6 # seconds from the start of the call to the next line
agent_lines=()
customer_lines=()

# say SPEAKER PAUSE TEXT: speaks a line into its own channel, then lets PAUSE seconds pass before the next one.
say() {
  local speaker=$1 pause=$2 text=$3 count voice speed pitch raw line
  count=$((${#agent_lines[@]} + ${#customer_lines[@]}))
  raw="$work/raw-$count.wav"
  line="$work/line-$count.wav"
  if [[ $speaker == agent ]]; then
    voice=en-us+f3 speed=172 pitch=52
  else
    voice=en-gb+m3 speed=160 pitch=38
  fi
  espeak-ng -v "$voice" -s "$speed" -p "$pitch" -w "$raw" "$text"
  # Telephone band, and the silence that espeak-ng leaves at both ends cut off.
  sox -R -D "$raw" -r "$rate" -b 16 "$line" highpass 280 lowpass 3400 silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad "$clock"
  if [[ $speaker == agent ]]; then agent_lines+=("$line"); else customer_lines+=("$line"); fi
  # The padded line is as long as the call up to its end.
  clock="$(awk -v end="$(soxi -D "$line")" -v pause="$pause" 'BEGIN { printf "%.3f", end + pause }')"
}

say agent    0.45 "Thank you for calling Northwind Energy, this is Dana. This call is recorded. How can I help you today?"
say customer 0.40 "Hi Dana. My last bill is almost twice what I usually pay, and I would like to know why."
say agent    0.35 "I am sorry about that, let me have a look. Could you give me your customer number, please?"
say customer 0.50 "Sure. It is four, seven, one, one, zero, eight."
say agent    0.30 "Thank you. I see the reason: your meter was estimated in March, and this bill makes up for it."
say customer 0.25 "Oh, I see. So it will be back to normal next month?"
say agent    0.40 "Exactly. And if you like, I can spread the difference over three months."
say customer 0.30 "That would be great. Thank you, you have been very helpful."
say agent    0.00 "My pleasure. You will have a letter by Friday. Have a lovely day!"

length="$(awk -v end="$clock" 'BEGIN { printf "%.3f", end + 0.8 }')"

# channel NAME GAIN LINES...: all lines of one speaker over a faint line noise; -R keeps the noise the same every time.
channel() {
  local name=$1 gain=$2
  shift 2
  sox -R -D -n -r "$rate" -b 16 -c 1 "$work/$name-noise.wav" synth "$length" pinknoise vol 0.004 highpass 280 lowpass 3400
  sox -R -D -m -v 1 "$work/$name-noise.wav" $(printf -- "-v $gain %s " "$@") "$work/$name.wav" trim 0 "$length"
}

channel agent 0.85 "${agent_lines[@]}"
channel customer 0.75 "${customer_lines[@]}"
sox -R -D -M "$work/agent.wav" "$work/customer.wav" -b 16 "$target"
soxi "$target"
