"""The columns of CLEAR's configs, as the published dataset has them (`therem/CLEAR`)."""

from datasets import Features, Image, List, Value

TEXT = Value("string")

PHOTOS = Features({"image": Image(), "caption": TEXT, "name": TEXT})
PHOTOS_AND_TEXT = Features({"image": Image(), "caption": TEXT, "question": TEXT, "answer": TEXT})
PERTURBED = Features(
    {
        "image": Image(),
        "caption": TEXT,
        "name": TEXT,
        "paraphrased_caption": TEXT,
        "perturbed_captions": List(TEXT),
        "perturbed_names": List(TEXT),
    }
)
HIDDEN = Features({**PERTURBED, "question": TEXT, "name_question": TEXT})
OPTIONS = Features({"image": Image(), "question": TEXT, "answer": TEXT, "options": List(TEXT)})
TEXT_ROWS = Features({"question": TEXT, "answer": TEXT, "name": TEXT})
TEXT_PERTURBED = Features(
    {
        "question": TEXT,
        "answer": TEXT,
        "paraphrased_answer": TEXT,
        "perturbed_answer": List(TEXT),
        "name": TEXT,
    }
)
TEXT_OPTIONS = Features({"question": TEXT, "answer": TEXT, "perturbed_answer": List(TEXT)})
