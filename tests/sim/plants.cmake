# Writes copies of sources of push/, core/ and wire/ in which single lines ask for planted faults:
#   cmake -DSOURCES=<the tree's src/> -DOUT=<folder> -P plants.cmake
# A line that is not there any more is an error, so that no plant is lost when the code changes.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

function(plant file from to)
  set(path ${OUT}/${file})
  if(NOT EXISTS ${path})
    file(READ ${SOURCES}/${file} text)
    file(WRITE ${path} "#include \"sim/plants.h\"\n${text}")
  endif()
  file(READ ${path} text)
  string(FIND "${text}" "${from}" first)
  string(FIND "${text}" "${from}" last REVERSE)
  if(first EQUAL -1 OR NOT first EQUAL last)
    message(FATAL_ERROR "plants.cmake: not exactly once in ${file}: ${from}")
  endif()
  string(REPLACE "${from}" "${to}" text "${text}")
  file(WRITE ${path} "${text}")
endfunction()

file(REMOVE_RECURSE ${OUT})

plant(core/cursor.c
  "if (seq <= c->at)\n        return CURSOR_OLD"
  "if (seq <= c->at && !plant_is(PLANT_NO_DEDUPE))\n        return CURSOR_OLD")
plant(push/topic.c
  "if (s->position + 1 == frame->seq)"
  "if (s->position + 1 == frame->seq || plant_is(PLANT_NO_POSITION_CHECK) ||
            (plant_is(PLANT_NO_DEDUPE) && frame->seq <= s->position))")
plant(push/topic.c
  "t->hole_armed = false;\n    if (t->live > 0"
  "t->hole_armed = false;\n    if (!plant_is(PLANT_NO_HOLE_READ) && t->live > 0")
plant(push/topic.c
  "if (note->epoch_no != t->epoch_no)\n        return false"
  "if (note->epoch_no != t->epoch_no && !plant_is(PLANT_OLD_ANSWERS))\n        return false")
plant(push/topic.c
  "if (t->reading > 0)\n        recent_add"
  "if (t->reading > 0 && !plant_is(PLANT_NO_RECENT))\n        recent_add")
plant(push/stream.c
  "if (!topic_leads_on(t, s->position))"
  "if (!plant_is(PLANT_LIVE_AT_PAGE_END) && !topic_leads_on(t, s->position))")
plant(push/stream.c
  "while ((row = recent_get(&t->recent, s->position + 1))"
  "while (!plant_is(PLANT_LIVE_AT_PAGE_END) && (row = recent_get(&t->recent, s->position + 1))")
plant(push/stream.c
  "if (s->position < t->cursor.at)"
  "if (!plant_is(PLANT_LIVE_AT_PAGE_END) && s->position < t->cursor.at)")
plant(push/stream.c
  "if (s->position > at->head)"
  "if ((plant_is(PLANT_AHEAD_OF_NOW) ? s->topic->cursor.at : s->position) > at->head)")
plant(wire/row.c
  "json_put_string(out, type_names[type])"
  "json_put_string(out, type_names[plant_is(PLANT_UPDATE_AS_MESSAGE) ? ROW_MESSAGE : type])")
