#!/usr/bin/env bash
# Chromium without the parts of its window that are web pages themselves: nobody sees them, and they
# take longer to draw than a page of the console. A second list of features would be in the place of
# Playwright's, so these go in front of its own.
exec "$FORMULARY_CHROMIUM" \
  "${@/#--disable-features=/--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,}"
