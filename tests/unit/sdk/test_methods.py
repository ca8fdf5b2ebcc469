"""Methods, class methods and static methods as flows and tasks."""

from __future__ import annotations

from penstock import flow, task


class Shop:
    tax = 2

    def __init__(self, stock: int) -> None:
        self.stock = stock

    @task
    def sell(self, n: int) -> int:
        return self.stock - n

    @task
    @staticmethod
    def double(n: int) -> int:
        return 2 * n

    @task
    @classmethod
    def taxed(cls, n: int) -> int:
        return cls.tax * n

    @staticmethod
    @task
    def triple(n: int) -> int:
        return 3 * n

    @flow
    def day(self, n: int) -> list[int]:
        return [
            self.sell(n),
            self.sell.submit(n).result(),
            *self.double.map([n, n]).result(),
            self.taxed.submit(n).result(),
            self.triple.submit(n).result(),
        ]

    @flow
    @classmethod
    def opening(cls) -> int:
        return cls.taxed(1)

    @flow
    @staticmethod
    def closing(n: int) -> int:
        return Shop.double.submit(n).result()


class Duty(Shop):
    tax = 0


def test_methods_of_every_kind_are_flows_and_tasks() -> None:
    """Prefect: ``@task`` above ``@staticmethod`` or ``@classmethod`` is a ``TypeError``."""
    assert Shop(10).day(3) == [7, 7, 6, 6, 6, 9]


def test_a_class_method_belongs_to_the_class_that_it_is_called_on() -> None:
    assert (Shop.opening(), Duty.opening(), Duty(1).opening()) == (2, 0, 0)


def test_a_static_method_is_called_on_class_and_instance_alike() -> None:
    assert (Shop.closing("2"), Shop(1).closing(2)) == (4, 4)


def test_other_options_leave_the_kind_of_method() -> None:
    renamed = Shop.taxed.with_options(name="vat")

    assert renamed(3) == 6


def test_recursion_that_ends_is_welcome() -> None:
    @flow
    def countdown(n: int) -> int:
        return 0 if n == 0 else 1 + countdown(n - 1)

    assert countdown(20) == 20
