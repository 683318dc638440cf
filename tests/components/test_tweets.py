"""Tweets become words, and what was replaced is counted."""

import pytest

from components.tweets import as_words, counted, preprocessed


@pytest.mark.parametrize(
    ("tweet", "words"),
    [
        ("@ann_b hi", "@user hi"),
        ("mail me at a@b.org", "mail me at a@b.org"),
        ("look: http://t.co/x?y=1 and www.a.org/b", "look: http and http"),
        ("you &amp; me &#8220;so&#8221; &lt;3", "you & me “so” <3"),
        ("&unknown; stays", "&unknown; stays"),
        ("#GoodVibes #good_vibes #YOLO #HTMLPage2 #läuft", "Good Vibes good vibes YOLO HTML Page 2 läuft"),
        ("ha 😂😂 ha", "ha face with tears of joy ha"),
        ("ha 😂 😂 ha", "ha face with tears of joy ha"),
        ("no &#128514;", "no face with tears of joy"),
        ("👍🏽 ok ❤️", "thumbs up sign ok heavy black heart"),
        ("  many   spaces\n", "many spaces"),
        ("", ""),
        ("注文 é", "注文 é"),
    ],
)
def test_a_tweet_is_read_as_words(tweet, words):
    """Names, links, entities, hashtags and emoji; nothing else is touched."""
    assert as_words(tweet)[0] == words


def test_what_was_replaced_is_counted():
    """By kind, over all texts; where nothing was, there is 0."""
    told = counted(["RT @a @b: so #Good &amp; 😂😂", "plain", "https://t.co/1"])
    assert told == {"entities": 1, "links": 1, "names": 2, "hashtags": 1, "emoji": 2}
    assert set(counted([]).values()) == {0}


def test_other_texts_are_left_alone():
    """Unless tweets are said."""
    assert preprocessed(["@a #b"], "none") == ["@a #b"]
    assert preprocessed(["@a #b"], "tweets") == ["@user b"]
