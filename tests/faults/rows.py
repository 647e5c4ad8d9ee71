# ruff: noqa: E501 (a table)
"""The fault list as data: what is injected, what must hold, and the tests that show it.

A row is `Fault(id, injected, holds, code, tests, why)`. `tests` are `file::function` or `file::function[pattern]`, the
pattern (`*` for anything) choosing among the parameters of a test; a test may stand in many rows. A row without tests
says in `why` for what reason it does not apply here. `code` is the exit code that a user sees: of a command, or the
`code` of the fault that the test catches; "" where nothing fails.

`python tests/faults/rows.py` writes docs/faults.md from it, which a test holds against this list.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

GROUPS = {
    "A": "Downloads",
    "B": "Altered or truncated files at rest",
    "C": "Killed at a random moment",
    "D": "Disk full, read-only",
    "E": "Malformed prediction arrays",
    "F": "Malformed tables",
    "G": "Hostile pickles and archives",
    "H": "Model weights",
    "I": "Images",
    "J": "Folder layouts",
    "K": "Notebooks",
    "L": "Concurrent processes",
    "M": "Environment",
    "N": "Staleness",
    "O": "Text corpora",
    "P": "Numbers",
}


@dataclass(frozen=True)
class Fault:
    id: str
    injected: str
    holds: str
    code: str
    tests: tuple[str, ...] = ()
    why: str = ""


def fits(node: str, pattern: str) -> bool:
    """Whether the parameters of a node id match a pattern, in which `*` stands for anything.

    >>> fits("test_a.py::test_b[cut-1]", "cut*]"), fits("test_a.py::test_b[cut-1]", "flip*]")
    (True, False)
    """
    given = node.partition("[")[2].removesuffix("]")
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.removesuffix("]").split("*"))), given, flags=re.DOTALL))


FETCH, TABLES, FILES, STORE = (f"tests/test_{name}.py::" for name in ("fetch", "tables", "files", "store"))
SOURCES, PICKLES, RUN, CLI = (f"tests/test_{name}.py::" for name in ("sources", "pickles", "run", "cli"))
ERRORS, OWN, ENVIRONMENT, NOTEBOOKS = (
    f"tests/test_{name}.py::" for name in ("errors", "own", "environment", "notebooks")
)
DERIVE, FIGURES, CLASSES, VERIFY = (f"tests/test_{name}.py::" for name in ("derive", "figures", "classes", "verify"))
ENGINE, ZOO, PREPARE, LAYOUTS = (f"tests/vision/test_{name}.py::" for name in ("engine", "zoo", "prepare", "layouts"))
PREDICT, SCALE = (f"tests/vision/test_{name}.py::" for name in ("predict", "scale"))
CORPORA, CLASSIFIERS, TEXT_RUNS = (f"tests/text/test_{name}.py::" for name in ("corpora", "classifiers", "runs"))
ACCURACY, AGREEMENT, OVERLAP, EXTREMES = (
    f"tests/measure/test_{name}.py::" for name in ("accuracy", "agreement", "overlap", "extremes")
)
BANNED, ARRAYS, BYTES, MACHINE = (f"tests/faults/test_{name}.py::" for name in ("banned", "arrays", "bytes", "machine"))
KILLS, KERNELS, CALLS = (f"tests/faults/test_{name}.py::" for name in ("kills", "kernels", "calls"))
PROPERTIES, MADE_UP = (f"tests/faults/test_{name}.py::" for name in ("properties", "made_up"))
EVENTS = "tests/faults/test_store_machine.py::test_no_order_of_events_makes_the_store_give_a_wrong_value"

SERVER = FETCH + "test_a_fault_of_the_server_is_named_and_leaves_nothing"
MALFORMED = SOURCES + "test_a_malformed_file_is_refused_and_the_fault_named"
ARRAY = SOURCES + "test_a_malformed_array_is_refused"
BROKEN = PREPARE + "test_broken_images_are_refused_with_a_reason"
REASON = PREPARE + "test_the_reason_names_the_fault"
WHOLE = PREPARE + "test_whole_images_are_read_as_pillow_reads_them_by_both_decoders"
FOLDER = LAYOUTS + "test_a_fault_of_a_folder_is_named_and_nothing_else_changes"
CHECKPOINT = ZOO + "test_wrong_checkpoints_are_refused"
DAMAGE = STORE + "test_damage_is_set_aside_with_one_line_and_made_again"
CORPUS = CORPORA + "test_a_faulty_corpus_is_refused_by_row_and_class"
CSV_CORPUS = CORPORA + "test_csv_files_that_make_no_corpus_are_refused"
HOSTILE = PICKLES + "test_hostile_and_damaged_files_are_refused_and_nothing_runs"
NOT_WHOLE = RUN + "test_a_run_that_is_not_whole_is_refused"
NO_USE = BANNED + "test_what_is_banned_is_used_nowhere"
CSV_FORM = TABLES + "test_a_malformed_csv_is_refused"
KILLED = KILLS + "test_a_killed_writer_leaves_old_or_new"
FLIP = BYTES + "test_no_flip_or_cut_is_silent"
COUNTS = TABLES + "test_impossible_counts_are_refused_on_the_way_out_and_in"

ROWS = (
    Fault("A1", "a download cut short, length announced", "no final and no temporary file", "5", (SERVER + "[cut-Network*]",)),
    Fault("A2", "a download cut short, no length announced", "the digest catches it", "4", (SERVER + "[cut-silently*]",)),
    Fault("A3", "a chunked download without its last chunk", "no final and no temporary file", "5", (SERVER + "[cut-chunks*]",)),
    Fault("A4", "one bit flipped; an HTML page; a git-lfs pointer", "named for what it is, nothing kept", "4",
          (SERVER + "[flip*]", SERVER + "[html*]", SERVER + "[pointer*]", SERVER + "[long*]")),
    Fault("A5", "a pinned file without a digest", "the list of sources has sha256, size and commit for every file", "4",
          (DERIVE + "test_every_source_is_pinned_at_a_full_commit_with_a_licence_that_the_page_names",)),
    Fault("A6", "404, 429, 500, a redirect loop", "404 is not retried, Retry-After is obeyed up to a bound", "5",
          (SERVER + "[absent*]", SERVER + "[refuse*]", SERVER + "[loop*]", FETCH + "test_retry_after_is_obeyed_up_to_a_bound")),
    Fault("A7", "a server that stalls, one that drips", "a bound on silence and one on the whole time", "5",
          (SERVER + "[stall*]", SERVER + "[drip*]")),
    Fault("A8", "503, 503, 200", "the third attempt succeeds", "", (FETCH + "test_files_are_fetched_once_and_found",)),
    Fault("A9", "KILL, TERM, INT in the middle of a download",
          "no final file; TERM and INT leave nothing, what KILL leaves is swept later", "143, 130",
          (KILLED + "[downloads]", MACHINE + "test_a_signal_in_the_middle_of_a_download_leaves_no_final_file",
           FETCH + "test_sigterm_during_a_download_leaves_no_file",
           FETCH + "test_old_temporary_files_are_swept_and_young_ones_left")),
    Fault("A10", "a downloaded file that was edited, server up", "refused first; --force keeps the user's copy", "4",
          (FETCH + "test_a_file_that_the_user_edited_is_never_overwritten_silently",)),
    Fault("A11", "the same, offline or a server with another file", "the edited file stays where it is", "4, 5",
          (FETCH + "test_an_edited_file_stays_where_it_is_when_no_new_one_arrives",
           MACHINE + "test_an_edited_file_stays_when_the_server_is_gone")),
    Fault("A12", "three processes fetch one file", "all succeed, one right file", "",
          (MACHINE + "test_three_processes_fetch_one_file",)),
    Fault("A13", "connection refused; a host that has no address", "the host is named; what is on disk still serves", "5",
          (FETCH + "test_without_a_network_the_host_is_named_and_files_on_disk_still_serve",
           MACHINE + "test_a_host_without_an_address_is_named")),
    Fault("B1", "bit flips and cuts in a published .npy", "refused before it is parsed", "4",
          (BYTES + "test_no_flip_or_cut_of_a_published_file_is_silent[npy]",)),
    Fault("B2", "bit flips and cuts in an .npz", "kept vectors that do not fit are made again", "",
          ("tests/text/test_finetune.py::test_kept_vectors_are_read_and_damaged_ones_made_again",
           MADE_UP + "test_any_archive_of_arrays_is_read_exactly_or_refused", MADE_UP + "test_any_archive_of_posts_is_read_exactly_or_refused")),
    Fault("B3", "bit flips in a Parquet table, footer included", "the digest in the lock, or in an own table itself", "4, 3",
          (FLIP + "[Parquet]", FLIP + "[predictions]", FLIP + "[own Parquet]", FLIP + "[PROVENANCE]",
           VERIFY + "test_a_flipped_bit_is_found_wherever_it_is[shipped *]")),
    Fault("B4", "bit flips in Parquet pages that no lock covers", "page checksums: refused or unchanged", "4",
          (TABLES + "test_a_flipped_bit_in_the_pages_is_never_another_number", TABLES + "test_a_cut_table_is_refused",
           FLIP + "[store table]", FLIP + "[store part]")),
    Fault("B5", "bit flips in weights and features",
          "weights of torchvision are held against the digest in their name; other bytes are another key; features have their own digest",
          "4", (FLIP + "[store features]", ZOO + "test_weights_of_torchvision_are_held_against_the_hash_in_their_name",
                ZOO + "test_the_digest_is_of_names_types_shapes_and_bytes",
                ENGINE + "test_other_weights_of_the_same_name_are_another_key",
                STORE + "test_damaged_features_leave_the_predictions[*]")),
    Fault("B6", "half an image; flips that leave it readable", "half is refused; other bytes are another key", "3",
          (BROKEN + "[half a JPEG*]", BROKEN + "[half a PNG*]", LAYOUTS + "test_items_have_one_digest_whatever_their_layout",
           ENGINE + "test_other_labels_or_pixels_are_another_key")),
    Fault("B7", "a CSV cut in half", "refused by the lock, never read as fewer rows", "4",
          (TABLES + "test_a_csv_cut_in_half_is_refused_by_the_lock",
           BYTES + "test_no_flip_or_cut_of_a_published_file_is_silent[csv]", FLIP + "[CSV]", FLIP + "[CSV kept by hand]",
           FLIP + "[own CSV]", FLIP + "[SHA256SUMS]", FLIP + "[figure CSV]", OWN + "test_a_changed_csv_says_how_it_is_changed_on_purpose",
           BYTES + "test_a_file_kept_by_hand_is_refused_when_altered[*]")),
    Fault("B8", "JSON with NaN, 1e999, a key twice, cut", "refused", "4",
          (SOURCES + "test_ambiguous_json_is_refused[*]", BYTES + "test_no_flip_or_cut_of_a_published_file_is_silent[json]",
           FLIP + "[store record]", FLIP + "[receipt]", FLIP + "[figure JSON]",
           VERIFY + "test_a_lock_that_cannot_be_read_is_found[*]",
           MADE_UP + "test_any_json_is_read_exactly_or_refused", MADE_UP + "test_any_lock_is_obeyed_or_refused")),
    Fault("C1", "kill -9 of a writer of tables, own tables, the store, the README, at random moments", "whole files, nothing acknowledged lost", "-9",
          (KILLED + "[tables]", KILLED + "[own tables]", KILLED + "[store]", KILLED + "[README]",
           KILLS + "test_a_writer_in_place_would_be_caught",
           FILES + "test_a_killed_writer_leaves_the_old_or_the_new_file_whole")),
    Fault("C2", "kill -9 of a writer of figures, claim rows and receipts", "whole files, nothing acknowledged lost", "-9",
          (KILLED + "[figures]",)),
    Fault("C3", "leftovers of killed writers", "swept when old, young ones left; read by nobody", "",
          (KILLS + "test_what_kills_leave_is_read_by_nobody", FILES + "test_sweep_takes_old_temporary_files_of_ours_alone",
           STORE + "test_gc_removes_what_nothing_needs_and_nothing_young")),
    Fault("C4", "order of fsync and rename; the n-th call of every writer fails", "content, name, folder; old or new files for every n", "6",
          (FILES + "test_content_reaches_the_disk_before_the_name_and_the_name_before_the_return",
           CALLS + "test_whichever_call_fails_files_are_old_or_new[*]", STORE + "test_whichever_call_fails_nothing_is_torn_and_the_next_run_succeeds[*]")),
    Fault("C5", "SIGTERM", "cleaned up, 143", "143",
          (RUN + "test_a_signal_ends_the_runner_and_its_kernel[term]",
           PREDICT + "test_a_signal_ends_the_run_and_it_goes_on_where_it_was[15-143-terminated]")),
    Fault("C6", "a worker killed", "a fault of the machine, finished blocks kept; never a hole", "6",
          (PREDICT + "test_a_killed_shard_is_a_fault_of_the_machine_and_keeps_finished_blocks",
           SCALE + "test_a_killed_worker_costs_nothing_but_time", NO_USE + "[multiprocessing.Pool]")),
    Fault("C7", "a run stopped in the middle, then taken up", "the bytes of an uninterrupted run", "",
          (ENGINE + "test_a_run_that_was_stopped_goes_on_to_the_same_bytes",
           STORE + "test_a_resumed_run_equals_an_uninterrupted_one")),
    Fault("D1", "a full disk under tables, figures, plain files", "one line, the old file stays, nothing partial", "6",
          (FILES + "test_a_full_disk_is_code_6_and_the_old_file_stays", MACHINE + "test_a_full_disk_keeps_the_old_file",
           FILES + "test_a_full_disk_is_named_whatever_the_library_raises[*]")),
    Fault("D2", "a full disk under joblib.Memory", "it is not used: the store fails aloud", "6",
          (NO_USE + "[joblib]", STORE + "test_a_disk_that_fills_up_during_a_write_is_code_6[*]")),
    Fault("D3", "a folder that cannot be written", "one line with the path", "6",
          (FILES + "test_a_folder_that_cannot_be_written_is_a_resource_fault[*]",
           STORE + "test_a_cache_that_cannot_be_written_is_code_6", MACHINE + "test_a_read_only_folder_is_code_6")),
    Fault("D4", "read-only data/, writable figures and cache", "what only reads data/ works", "",
          (MACHINE + "test_shipped_tables_on_a_read_only_disk_are_enough",)),
    Fault("D5", "the disk fills up between two parts", "the run stops, finished parts stay, it goes on later", "6",
          (STORE + "test_a_part_is_not_begun_without_room_for_two",
           ENGINE + "test_a_full_disk_between_two_blocks_keeps_the_finished_ones",
           ENGINE + "test_too_little_disk_is_seen_before_a_part_is_written")),
    Fault("E1", "a row too few", "exact set of ids", "4", (MALFORMED + "[*49999 rows*]", ARRAY + "[array0-shape]")),
    Fault("E2", "a row missing at the start, the rest shifted", "ids decide, not positions; a shift against the labels is seen", "4",
          (MALFORMED + "[*labels differ*]", SOURCES + "test_rows_in_any_order_give_the_same_predictions",
           ARRAYS + "test_a_row_lost_and_another_added_is_seen[0]",
           PROPERTIES + "test_rows_in_any_order_are_the_same_answers", PROPERTIES + "test_a_mutated_prediction_file_is_refused_or_harmless[*]")),
    Fault("E3", "the same in the middle", "the same", "4", (ARRAYS + "test_a_row_lost_and_another_added_is_seen[25000]",)),
    Fault("E4", "an id twice", "refused", "4", (MALFORMED + "[*more than once*]", OWN + "test_other_items_of_a_shipped_data_set_are_refused_before_anything_is_written[*]")),
    Fault("E5", "labels or predictions off by one", "refused, and the offset is named", "4", (MALFORMED + "[*off by one*]",)),
    Fault("E6", "classes numbered by a list sorted as text", "refused, and the order is named", "4", (MALFORMED + "[*sorted as text*]",)),
    Fault("E7", "two classes exchanged", "the list of classes is locked; classes join by wnid, never by name", "4",
          (ARRAYS + "test_two_classes_exchanged_in_the_list_are_refused", CLASSES + "test_the_list_of_classes_is_the_one_of_every_prediction_file",
           CLASSES + "test_a_name_that_two_classes_have_is_refused_with_both_ids",
           PROPERTIES + "test_classes_and_their_list_renumbered_together_change_nothing_alone_are_refused")),
    Fault("E8", "class 1000 or -1", "refused before anything is taken by it", "4",
          (MALFORMED + "[*pred is 1000*]", MALFORMED + "[*pred is -1*]", ARRAY + "[array3*]", ACCURACY + "test_wrong_indices_are_refused[*]")),
    Fault("E9", "NaN as class or confidence", "refused", "4",
          (MALFORMED + "[*not an integer*]", SOURCES + "test_a_confidence_is_a_number_from_0_to_1[*]",
           ENGINE + "test_outputs_that_are_not_finite_name_the_item[*]")),
    Fault("E10", "labels in int8, uint8, int16; 40,000 into an int16 column", "the same numbers, or refused", "4",
          (SOURCES + "test_other_byte_order_and_width_are_the_same_numbers", ARRAYS + "test_a_class_too_large_for_its_column_is_refused",
           ARRAYS + "test_counts_of_narrow_labels_are_wide[*]")),
    Fault("E11", "shape (n, 1)", "refused", "4", (SOURCES + "test_only_a_column_of_integers_is_a_column_of_classes[*]", ARRAY + "[array1-shape]")),
    Fault("E12", "an array of objects", "refused, nothing is unpickled", "4", (ARRAY + "[array4*]", NO_USE + "[allow_pickle]",
           MADE_UP + "test_any_npy_bytes_are_an_array_that_fits_or_refused")),
    Fault("E13", "ids as float32", "refused", "4", (ARRAYS + "test_ids_as_numbers_with_a_point_are_refused",)),
    Fault("E14", "big-endian, Fortran order", "the same result", "",
          (SOURCES + "test_other_byte_order_and_width_are_the_same_numbers", ARRAYS + "test_other_layouts_are_the_same_answers[*]")),
    Fault("F1", "a column missing, extra, renamed, of another type", "refused, never filled or cast", "4",
          (TABLES + "test_other_columns_or_types_are_refused_not_filled_or_cast[*]", TABLES + "test_a_model_column_holds_booleans",
           CSV_FORM + "[*columns are*]",
           PROPERTIES + "test_a_mutated_table_is_refused_or_harmless")),
    Fault("F2", "k < 0, k > n, no n", "refused when written and when read", "4", (COUNTS + "[*]",)),
    Fault("F3", "a key twice", "refused", "4", (COUNTS + "[*occurs twice]", CSV_FORM + "[*occurs twice]")),
    Fault("F4", "a later version; metadata of another type", "refused, one line", "4",
          (TABLES + "test_another_table_a_later_version_and_a_foreign_file_are_refused",
           BYTES + "test_odd_metadata_of_a_table_are_refused[*]", STORE + "test_a_record_of_a_newer_version_is_not_thrown_away")),
    Fault("F5", "a field too many or too few in a CSV row", "refused with the row", "4", (CSV_FORM + "[*fields]", MALFORMED + "[*fields]",
           PROPERTIES + "test_a_mutated_csv_table_is_refused_or_harmless")),
    Fault("F6", "names None, NA, null, 07", "stay text", "",
          (TABLES + "test_csv_text_stays_text_and_numbers_may_be_missing", FIGURES + "test_csv_keeps_names_and_numbers",
           PROPERTIES + "test_a_csv_table_comes_back_as_it_was_written", PROPERTIES + "test_answers_shown_as_csv_are_read_as_they_were")),
    Fault("F7", "JSON NaN, 1e999, a key twice", "refused", "4", (SOURCES + "test_ambiguous_json_is_refused[*]",
           MADE_UP + "test_any_file_of_a_users_own_is_read_or_refused")),
    Fault("F8", "an unbalanced quote, NUL, a byte order mark", "refused; the mark is dropped", "4",
          (CSV_FORM + "[*NUL]", CSV_FORM + "[*not a CSV table]", TABLES + "test_csv_text_stays_text_and_numbers_may_be_missing",
           MADE_UP + "test_any_csv_bytes_are_a_table_or_refused")),
    Fault("G1", "pickles that call something", "refused by opcode and by exact name, nothing runs", "4", (HOSTILE,)),
    Fault("G2", "numpy pickles of protocols 2 to 5, both spellings", "read", "",
          (PICKLES + "test_a_data_frame_is_read_as_pandas_wrote_it[*]", PICKLES + "test_names_of_numpy_1_and_pandas_2_are_read[*]")),
    Fault("G3", "pandas pickles", "read by stand-ins in a child; nothing of pandas is called; unpickled nowhere else", "4",
          (HOSTILE, NO_USE + "[pickle]")),
    Fault("G4", "pickles that ask for memory", "refused in the scan; the child is limited", "4", (HOSTILE, PICKLES + "test_the_child_is_limited")),
    Fault("G5", "made-up bytes; a shape that does not fit", "neither ends the limited child nor surprises it", "4",
          (PICKLES + "test_a_shape_that_does_not_fit_its_content_is_refused",
           PICKLES + "test_made_up_pickles_neither_end_the_child_nor_surprise_it",
           PICKLES + "test_the_fuzz_finds_what_ends_a_reader_or_surprises_it",
           PICKLES + "test_a_file_that_ends_the_child_is_named_and_the_next_is_read")),
    Fault("G6", "scanners of pickles", "", "", why="none is used: a list of forbidden names is no guard; the list of allowed names (G1) is"),
    Fault("G7", "tar members that lead out", "no tar is read by any code here", "", (NO_USE + "[tarfile]",)),
    Fault("G8", "zip members that lead out", "no zip is unpacked by any code here", "", (NO_USE + "[zip extraction]",)),
    Fault("G9", "zip bombs", "packed records of weights are refused before they are unpacked", "3",
          (ZOO + "test_lying_headers_and_packed_records_are_refused",)),
    Fault("G10", ".npy headers of 10^13, 3 x 10^18, -5, 2,000 brackets", "refused in one line, nothing is allocated", "3, 4",
          (ARRAYS + "test_a_lying_npy_header_is_refused[*]",)),
    Fault("G11", "members twice, names that differ in case", "no archive is unpacked; pinned names are unique in any case", "4",
          (NO_USE + "[zip extraction]", BYTES + "test_pinned_names_are_unique_whatever_the_file_system")),
    Fault("H1", "code in a checkpoint", "never run, whatever the environment says", "3",
          (ZOO + "test_code_in_a_checkpoint_is_never_run[*]", NO_USE + "[torch.load]")),
    Fault("H2", "an old torch", "the lock pins one that reads weights safely", "",
          (BANNED + "test_the_locked_torch_reads_weights_safely",)),
    Fault("H3", "numpy arrays or a whole module in a checkpoint", "refused", "3",
          (CHECKPOINT + "[*plain state dict]", ZOO + "test_a_whole_module_and_other_files_are_refused")),
    Fault("H4", "10 classes for 1000", "refused", "3", (ZOO + "test_ten_classes_are_no_thousand",)),
    Fault("H5", "a key missing, a prefix on all names", "strict only; a prefix on all is told", "3",
          (CHECKPOINT + "[*lacks 1 of*]", CHECKPOINT + "[*others]", ZOO + "test_wrappers_are_taken_off_and_told[*]", NO_USE + "[strict=False]")),
    Fault("H6", "NaN weights", "refused, and never class 0", "3",
          (CHECKPOINT + "[*NaN or infinite*]", ENGINE + "test_nan_weights_are_an_error_and_not_class_0")),
    Fault("H7", "half precision into float32", "told; precision is in the key", "",
          (ZOO + "test_half_precision_is_told_and_run_in_float32", ENGINE + "test_fewer_bits_are_another_key_and_nearly_the_same")),
    Fault("H8", "a network left in training mode", "a batch of one answers as a batch of three", "",
          (ZOO + "test_a_batch_of_one_answers_as_a_batch_of_three",)),
    Fault("H9", "truncated weights", "refused", "3", (ZOO + "test_truncated_files_are_refused[*]",)),
    Fault("H10", "a header of 2^62 bytes", "refused", "3", (ZOO + "test_lying_headers_and_packed_records_are_refused",)),
    Fault("I1", "truncated JPEG, also progressive", "refused with a reason; listed; --allow-bad counts it", "3",
          (BROKEN + "[half a*]", BROKEN + "[*missing*]", REASON + "[half a JPEG*]",
           PREDICT + "test_bad_images_end_with_code_3_unless_allowed")),
    Fault("I2", "LOAD_TRUNCATED_IMAGES", "never set, and asserted", "",
          (PREPARE + "test_truncated_images_are_never_filled_with_grey", NO_USE + "[LOAD_TRUNCATED_IMAGES]")),
    Fault("I3", "no bytes, HTML, a git-lfs pointer", "named", "3",
          (BROKEN + "[no bytes*]", BROKEN + "[HTML*]", BROKEN + "[LFS pointer*]", REASON + "[HTML*]", REASON + "[LFS*]", REASON + "[no bytes*]")),
    Fault("I4", "a damaged scan that decodes", "decoders agree; other bytes are another key", "",
          (PREPARE + "test_a_damaged_scan_reads_the_same_with_both_decoders", ENGINE + "test_other_labels_or_pixels_are_another_key")),
    Fault("I5", "CMYK JPEG", "converted as Pillow does", "", (WHOLE + "[CMYK JPEG]",)),
    Fault("I6", "EXIF orientation", "not rotated", "", (WHOLE + "[rotated by EXIF]", PREPARE + "test_exif_orientation_is_left_alone_and_the_first_frame_counts")),
    Fault("I7", "corrupt EXIF", "read", "", (WHOLE + "[corrupt EXIF]",)),
    Fault("I8", "PNG, WEBP, BMP named .JPEG", "read by content, told by check-images", "",
          (WHOLE + "[PNG]", WHOLE + "[WEBP]", WHOLE + "[BMP]", LAYOUTS + "test_check_counts_formats_and_names_what_cannot_be_read")),
    Fault("I9", "PNG with one bit flipped", "refused, no crash", "3", (BROKEN + "[PNG with one bit*]", REASON + "[PNG with one bit*]")),
    Fault("I10", "16-bit grey PNG", "refused, not saturated", "3", (BROKEN + "[16-bit grey*]", REASON + "[16-bit grey*]")),
    Fault("I11", "16-bit RGB PNG", "read as Pillow reads it", "", (WHOLE + "[16-bit RGB PNG]",)),
    Fault("I12", "RGBA, palette, 1-bit, LA, grey", "read as Pillow reads them", "",
          (WHOLE + "[RGBA]", WHOLE + "[palette*]", WHOLE + "[1 bit]", WHOLE + "[LA]", WHOLE + "[grey JPEG]")),
    Fault("I13", "animated GIF", "the first frame", "", (WHOLE + "[GIF]", PREPARE + "test_exif_orientation_is_left_alone_and_the_first_frame_counts")),
    Fault("I14", "100 million pixels in 12 kB", "refused, with warnings silent too", "3",
          (BROKEN + "[bomb of 100*]", PREPARE + "test_a_bomb_is_refused_where_warnings_are_silent_too")),
    Fault("I15", "400 million pixels in 49 kB", "refused", "3", (BROKEN + "[bomb of 400*]",)),
    Fault("I16", "1 x 1, 5000 x 1, trailing garbage", "read; too long to resize is refused", "",
          (WHOLE + "[1 x 1]", WHOLE + "[5000 x 1]", WHOLE + "[trailing garbage]",
           PREPARE + "test_too_long_an_image_is_refused_before_it_eats_the_memory")),
    Fault("J1", "folders 0, 1, 2, 10, 11", "numbers, not text", "",
          (LAYOUTS + "test_v2_folders_are_numbers_not_text[*]", LAYOUTS + "test_own_folders_called_by_numbers_need_a_list")),
    Fault("J2", "a class missing", "shifts no other", "", (LAYOUTS + "test_a_missing_class_shifts_no_other",
           PROPERTIES + "test_classes_do_not_depend_on_the_order_of_a_listing")),
    Fault("J3", "an extra class: typo, space, capitals, twins; what desktops leave", "refused with the nearest name; leftovers ignored", "3",
          (FOLDER + "[unknown*]", FOLDER + "[typo*]", FOLDER + "[space*]", FOLDER + "[capital*]", FOLDER + "[twin*]",
           LAYOUTS + "test_what_desktops_and_notebooks_leave_behind_is_ignored",
           MADE_UP + "test_any_folder_is_a_set_or_refused")),
    Fault("J4", "an empty class folder", "refused", "3", (FOLDER + "[empty*]",)),
    Fault("J5", "nested twice", "refused, the inner folder is suggested", "3", (FOLDER + "[nested*]", LAYOUTS + "test_places_that_do_not_fit_are_named")),
    Fault("J6", "an empty root", "refused", "3", (LAYOUTS + "test_places_that_do_not_fit_are_named", LAYOUTS + "test_a_folder_of_nothing_known")),
    Fault("J7", "links in a loop, to nothing, to a class", "not followed, named", "3",
          (FOLDER + "[loop*]", FOLDER + "[linked class*]", FOLDER + "[linked file*]", FOLDER + "[dangling*]")),
    Fault("J8", "._a.JPEG, a.JPEG.part, Thumbs.db, no suffix", "every file is an image, ignored by name, or refused", "3",
          (FOLDER + "[part*]", FOLDER + "[no suffix*]", FOLDER + "[beside*]",
           LAYOUTS + "test_what_desktops_and_notebooks_leave_behind_is_ignored", LAYOUTS + "test_every_name_is_a_class_or_accounted_for")),
    Fault("K1", "a failing cell, %%bash false, a syntax error", "named by cell, nothing published", "7",
          (NOT_WHOLE + "[failing]", NOT_WHOLE + "[bash]", KERNELS + "test_a_cell_that_cannot_run_is_named[syntax]",
           RUN + "test_the_command_says_in_one_line_what_failed_then_shows_the_traceback_without_colours")),
    Fault("K2", "the kernel killed, os._exit(0)", "a fault of the machine", "6", (RUN + "test_a_killed_kernel_is_a_fault_of_the_machine[*]",)),
    Fault("K3", "sys.exit(0) in the middle", "refused", "7", (NOT_WHOLE + "[sys-exit]",
           MADE_UP + "test_a_notebook_counts_only_if_every_cell_ran_in_order")),
    Fault("K4", "!false, try/except, an exception in a thread", "no receipt, no run; forbidden by lint in notebooks", "7",
          (NOT_WHOLE + "[no-receipt]", RUN + "test_a_receipt_that_does_not_hold_is_refused[*]", NOTEBOOKS + "test_it_hides_no_failure[*]",
           MADE_UP + "test_any_receipt_holds_or_is_refused")),
    Fault("K5", "the tag raises-exception", "refused", "7", (NOT_WHOLE + "[tagged]",)),
    Fault("K6", "a cell that hangs", "", "",
          why="no time limit on a cell, since machines differ; Ctrl-C and SIGTERM end runner and kernel (K7, K8)"),
    Fault("K7", "SIGINT", "runner and kernel end", "130", (RUN + "test_a_signal_ends_the_runner_and_its_kernel[int]",)),
    Fault("K8", "SIGTERM, SIGKILL", "runner and kernel end, an earlier good copy stays", "143, -9",
          (RUN + "test_a_signal_ends_the_runner_and_its_kernel[term]", KERNELS + "test_a_killed_runner_takes_its_kernel_along_and_leaves_the_earlier_copy")),
    Fault("K9", "a run that fails after a good one", "the executed copy is replaced whole or not at all", "7",
          (RUN + "test_an_earlier_good_copy_stays_when_a_later_run_fails",)),
    Fault("K10", "two runs of one notebook at once", "both judged by their own receipt; the copy is whole", "",
          (KERNELS + "test_two_runs_of_one_notebook_at_once",)),
    Fault("K11", "unknown kernel, broken JSON, input()", "named", "7",
          (RUN + "test_a_file_that_is_no_notebook_is_refused", KERNELS + "test_a_cell_that_cannot_run_is_named[*]",
           KERNELS + "test_the_kernel_is_the_one_of_this_environment")),
    Fault("K12", "stale outputs in git", "committed notebooks hold no output", "", (NOTEBOOKS + "test_it_holds_no_output[*]",)),
    Fault("K13", "numpy.py beside the notebook", "nothing where notebooks run hides a library", "",
          (ENVIRONMENT + "test_nothing_where_notebooks_run_hides_a_library",)),
    Fault("L1", "several writers of the own tables and of the store", "no row lost", "",
          (OWN + "test_several_writers_lose_no_row", MACHINE + "test_processes_that_add_own_rows_lose_none",
           STORE + "test_two_processes_on_one_key_both_succeed")),
    Fault("L2", "the holder of the lock killed", "the next writer goes on at once", "",
          (MACHINE + "test_a_killed_holder_of_the_lock_stops_nobody",)),
    Fault("L3", "the lock file deleted while it is held", "there is none: the folder itself is locked, waiting has an end", "6",
          (MACHINE + "test_a_killed_holder_of_the_lock_stops_nobody",)),
    Fault("L4", "a file system where every lock succeeds", "files stay whole; the store needs no lock", "",
          (MACHINE + "test_without_any_lock_files_stay_whole_and_the_store_loses_nothing",)),
    Fault("L5", "a reader during 200 replaces", "old or new, whole", "", (MACHINE + "test_a_reader_during_200_replaces_sees_whole_tables",)),
    Fault("M1", "no HOME, HOME=/nonexistent, read-only HOME", "works, nothing written outside", "",
          (MACHINE + "test_without_a_home_commands_work[*]",)),
    Fault("M2", "ASCII locale, unknown locale", "works", "", (CLI + "test_ascii_locale_prints", MACHINE + "test_locales_do_not_matter[*]")),
    Fault("M3", "a path with space, quote, letters outside ASCII", "make and the runner work", "",
          (MACHINE + "test_make_works_in_a_folder_with_an_awkward_name", RUN + "test_a_whole_run_gives_its_files_and_sees_the_fixed_environment")),
    Fault("M4", "MPLBACKEND unset, agg, TkAgg", "the same bytes", "",
          (MACHINE + "test_figures_do_not_depend_on_the_backend", FIGURES + "test_style_survives_and_pyplot_stays_empty")),
    Fault("M5", "no network", "shipped tables and commands on them work", "", (MACHINE + "test_without_a_network_shipped_tables_serve",)),
    Fault("M6", "an old Python", "one line with the version that is needed", "2", (MACHINE + "test_make_refuses_an_old_python",)),
    Fault("M7", "no make", "every target that people use is a command", "", (MACHINE + "test_every_target_has_a_command",)),
    Fault("M8", "little memory", "one line; a smaller batch is tried first", "6",
          (ERRORS + "test_a_fault_becomes_its_code_and_one_line[*MemoryError*]", ENGINE + "test_short_memory_halves_the_batch",
           ENGINE + "test_no_memory_for_one_image_is_a_fault_of_the_machine")),
    Fault("M9", "umask 077", "rights as the mask says; the store is its owner's alone", "",
          (FILES + "test_a_new_file_has_the_rights_that_the_mask_gives", STORE + "test_the_folder_is_for_its_owner_alone")),
    Fault("N1", "code, recipe or classes changed", "another key", "",
          (ENGINE + "test_other_labels_or_pixels_are_another_key", CLASSIFIERS + "test_recipe_is_json_and_holds_what_decides",
           STORE + "test_what_is_put_is_found_by_its_recipe_alone")),
    Fault("N2", "weights replaced in place", "another key; during a run an error", "3",
          (ENGINE + "test_other_weights_of_the_same_name_are_another_key", ENGINE + "test_weights_exchanged_during_a_run_are_an_error")),
    Fault("N3", "edited with an older or a future time", "content decides", "",
          (LAYOUTS + "test_digests_are_remembered_until_a_file_changes", LAYOUTS + "test_a_fresh_file_and_one_of_the_future_are_hashed_every_time",
           LAYOUTS + "test_what_was_hashed_too_soon_is_not_believed_later")),
    Fault("N4", "a cache entry exchanged for another valid one", "seen, set aside, made again; no pickle is read", "",
          (DAMAGE + "[*another entry*]", DAMAGE + "[not of this store]", NO_USE + "[pickle]")),
    Fault("N5", "a cache file truncated or garbage", "set aside, made again, one line", "",
          (DAMAGE + "[half*]", DAMAGE + "[empty*]", DAMAGE + "[garbage*]", TEXT_RUNS + "test_damaged_answers_are_made_again",
           EVENTS)),
    Fault("N6", "a cache entry edited", "verify hashes again", "4",
          (STORE + "test_verify_finds_the_same_damage[*edited*]", STORE + "test_verify_is_code_4_when_something_was_set_aside")),
    Fault("N7", "a library upgraded", "versions that change numbers are in the key", "",
          (CLASSIFIERS + "test_recipe_is_json_and_holds_what_decides", BANNED + "test_versions_are_in_the_key_of_images")),
    Fault("O1", "empty texts, all empty", "counted and told; all empty is refused", "3",
          (CORPORA + "test_empty_and_long_texts_are_kept_counted_and_told", CORPUS + "[*every text is empty]", CORPUS + "[*no texts]")),
    Fault("O2", "NaN, None, a number", "refused with the rows", "3", (CORPUS + "[*NoneType*]", CORPUS + "[*float*rows 1*]")),
    Fault("O3", "NA, null, None as text", "stay text", "", (CORPORA + "test_csv_files_are_read_as_they_are",)),
    Fault("O4", "latin-1 bytes", "refused with the byte", "3", (CSV_CORPUS + "[*not UTF-8*]",)),
    Fault("O5", "U+2028, U+0085 in a line", "one row", "", (CORPORA + "test_csv_files_are_read_as_they_are",)),
    Fault("O6", "one class", "refused with its name", "3", (CORPUS + "[*one class only*]",)),
    Fault("O7", "a class absent in test, unseen in training", "reported; unseen is refused", "3",
          (CORPUS + "[*have no text*]", CSV_CORPUS + "[*no class of the training set]", CORPORA + "test_empty_and_long_texts_are_kept_counted_and_told",
           CLASSIFIERS + "test_a_class_that_was_not_taught_gets_no_score")),
    Fault("O8", "labels 10, 9, 2", "by value, never by position", "",
          (CORPORA + "test_labels_are_class_ids_by_name_never_by_position", CLASSIFIERS + "test_answers_do_not_depend_on_the_order_of_the_training_classes")),
    Fault("O9", "a class of one text in a split", "refused with its name, or trained on alone", "3",
          (CORPORA + "test_a_class_with_one_text_is_refused_or_trained_on_alone",)),
    Fault("O10", "test texts in the training set", "reported; above a bound refused", "3", (CORPUS + "[*training texts too]", CSV_CORPUS + "[*100.00*]")),
    Fault("O11", "one very long text", "cut, counted, told", "",
          (CORPORA + "test_a_field_longer_than_the_csv_modules_limit_is_read_and_cut", CORPORA + "test_empty_and_long_texts_are_kept_counted_and_told")),
    Fault("O12", "training that did not converge", "counted in the record", "", (CLASSIFIERS + "test_training_that_did_not_converge_is_counted",)),
    Fault("P1", "n = 0, 1, 2", "no number, never 0", "",
          (ACCURACY + "test_absent_class_is_nan_and_dead_class_is_zero", AGREEMENT + "test_small_and_odd_classes_are_nan_or_declared",
           EXTREMES + "test_absent_classes_are_left_out")),
    Fault("P2", "all right, all wrong", "intervals with closed forms; finite", "",
          (ACCURACY + "test_clopper_at_zero_has_a_closed_form", ACCURACY + "test_extreme_inputs_are_finite", EXTREMES + "test_extreme_inputs_are_finite[*]",
           PROPERTIES + "test_an_interval_holds_its_estimate_and_grows_with_its_coverage")),
    Fault("P3", "ties", "stable, counted, every order of them considered", "",
          (OVERLAP + "test_ties_at_the_cut_by_hand", OVERLAP + "test_bounds_and_mean_equal_brute_force", OVERLAP + "test_sets_as_coded_are_positions_of_a_stable_sort",
           CLASSIFIERS + "test_rank_top5_and_confidence_by_hand")),
    Fault("P4", "counts in int8", "counted in int64", "", (ARRAYS + "test_counts_of_narrow_labels_are_wide[*]",
           PROPERTIES + "test_counts_of_classes_add_up")),
    Fault("P5", "float32 running sums", "sums of confidences in float64", "", (ARRAYS + "test_confidences_are_summed_in_double",)),
    Fault("P6", "NaN in a mean", "refused where it is no declared hole", "3",
          (ACCURACY + "test_wrong_right_is_refused[*]", ACCURACY + "test_wrong_counts_are_refused[*]", SOURCES + "test_a_confidence_is_a_number_from_0_to_1[*]")),
    Fault("P7", "rows, batches, shards in another order", "the same numbers; tables bit for bit", "",
          (ACCURACY + "test_order_of_items_and_names_of_classes_do_not_matter", TABLES + "test_the_order_of_rows_and_a_second_write_change_no_byte",
           PREDICT + "test_two_shards_give_the_bytes_of_one_process", ENGINE + "test_batches_fed_by_decoding_processes_give_the_same",
           PROPERTIES + "test_shards_merged_are_the_whole", PROPERTIES + "test_a_table_comes_back_as_it_was_written")),
)  # fmt: skip

APPLICABLE = tuple(row for row in ROWS if row.tests)
# Rows whose tests take more than 20 s together: kills, flips, made-up pickles, whole runs of the engine, Ray.
HEAVY = (
    "A9", "B2", "B3", "B4", "B7", "B8", "C1", "C2", "C4", "C5", "C6", "C7", "D5", "E2", "E7", "F1", "F5", "F6", "F7", "G5", "I1", "J2", "J3", "K3", "K4", "N2", "N5", "P4", "P7",
)  # fmt: skip


def page() -> str:
    """docs/faults.md."""
    tested, rest = len(APPLICABLE), len(ROWS) - len(APPLICABLE)
    lines = [
        "# Faults, and the tests that show what becomes of them",
        "",
        "<!-- Written by `python tests/faults/rows.py` from the list in that file. -->",
        "",
        f"{len(ROWS)} faults: {tested} are injected by tests, {rest} do not apply, with the reason. `make test-faults` runs the",
        "tests fault by fault and ends with how many survived, failed and were skipped; `make test-faults FAULTS='E F2'`",
        f"runs some groups or rows, `FAULTS=quick` leaves out the heavy ones. Heavy are {', '.join(HEAVY)}.",
        "",
        "Whether each check is needed is tested too: `python tests/faults/guards.py` takes them away one by one in a copy of",
        "the code; `tests/faults/guards.csv` names the test that then fails, or the reason why none can.",
        "",
        "Exit codes: 2 usage, 3 a user's own input, 4 a shipped, pinned or stored file, 5 network, 6 the machine, 7 a notebook; a",
        "negative one is the signal.",
        *_long(),
    ]
    for group, title in GROUPS.items():
        lines += [
            "",
            f"## {group} {title}",
            "",
            "| id | what is injected | what must hold | code | where |",
            "|---|---|---|---|---|",
        ]
        for row in ROWS:
            if row.id[0] == group:
                where = "; ".join(f"`{_shown(test)}`" for test in row.tests) or f"does not apply: {row.why}"
                lines.append(f"| {row.id} | {_cell(row.injected)} | {_cell(row.holds)} | {row.code} | {where} |")
    return "\n".join(lines) + "\n"


def _long() -> list[str]:
    """What a long run did, as run.py kept it."""
    with open(Path(__file__).with_name("long.csv"), encoding="utf-8", newline="") as file:
        done = list(csv.DictReader(file))
    if failed := [one["test"] for one in done if one["outcome"] != "passed"]:
        raise SystemExit(f"failed in the long run: {failed}")
    return [
        "",
        "## The long run",
        "",
        "`make test-faults LONG=1` kills and flips ten times as often, reads 20 million made-up pickles and takes every",
        "check away; with `FAULTS='C G5'` it does that of some rows. It does not belong to what is run for every change.",
        "On 2 cores, in part beside other work:",
        "",
        "| test | done | minutes |",
        "|---|---|---|",
        *(f"| `{_shown(one['test'])}` | {one['done']} | {one['minutes']} |" for one in done),
    ]


def _shown(test: str) -> str:
    file, _, name = test.partition("::")
    return f"{file.removeprefix('tests/')}::{name}".replace("|", "\\|")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "faults.md").write_text(page(), encoding="utf-8", newline="\n")
