"""What a run costs: steps and images by hand, and the paper's recipe on the command line."""

from pathlib import Path

from clear_pipeline.cli import main
from clear_pipeline.visual.arguments import Pretraining, demo_arguments, read_recipe
from clear_pipeline.visual.dry_run import Cost, costs

RECIPE = Path(__file__).parents[3] / "recipes" / "visual-paper.yaml"


def test_costs_by_hand(tmp_path):
    """20 people to forget with 19 photos: 380; 80 to retain: 1520; batches of 256."""
    rows = {cost.name: cost for cost in costs(read_recipe(RECIPE, tmp_path))}
    assert rows["original"] == Cost("original", 128, 20 * 8, 20 * 1900)
    assert rows["gold"] == Cost("gold", 128, 20 * 6, 20 * 1520)
    assert rows["scrub"] == Cost("scrub", 128, 5 * 15, 5 * 3800 * 2)
    assert rows["neggrad"] == Cost("neggrad", 128, 2 + 6, 380 + 1520)
    assert rows["sparsity"] == Cost("sparsity", 128, 4 * 48, 4 * 1520)
    assert rows["twins"] == Cost("twins", 128, 5 * 30, 5 * 3800)
    assert rows["base"].models == 1 and rows["base"].images == 20 * 30000


def test_the_recipe_is_the_papers(tmp_path):
    paper = read_recipe(RECIPE, tmp_path)
    assert (paper.models, paper.retain_people, paper.size, paper.backbone) == (128, 80, 224, "resnet-18")
    assert paper.settings == {} and paper.sigma == "example"
    assert paper.pretraining == Pretraining("flwrlabs/celeba", None, "train", "celeb_id", "image", 1000)


def test_a_dry_run_does_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "small.yaml"
    recipe.write_text("models: 8\nsize: 32\nmethods: [original, gold]\n")
    assert main(["visual", "run", "--recipe", str(recipe), "--dry_run"]) == 0
    out = capsys.readouterr().out
    assert "17 trainings" in out and "images of 32 pixels by resnet-mini" in out
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]
    assert len(costs(demo_arguments(tmp_path))) == 12
