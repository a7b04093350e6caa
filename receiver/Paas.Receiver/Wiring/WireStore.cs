using Paas.Receiver.Storage;

namespace Paas.Receiver.Wiring;

/// <summary>What the hooks were told of. Durable.</summary>
sealed class WireStore(Database database)
{
    public IReadOnlyList<WireState> List() =>
        [.. database.Read<Row>("SELECT kind AS Kind, words AS Words, owner AS Owner, state AS State, tries AS Tries, next_at AS NextAt, trouble AS Trouble FROM wires ORDER BY kind, words")
            .Select(row => new WireState(new Wire(row.Kind, row.Words, row.Owner), row.State, (int)row.Tries, DateTimeOffset.FromUnixTimeMilliseconds(row.NextAt), row.Trouble))];

    /// <summary>All of them in one durable write.</summary>
    public void Put(IReadOnlyCollection<WireState> states)
    {
        if (states.Count > 0)
        {
            database.Write(connection => Dapper.SqlMapper.Execute(
                connection,
                """
                INSERT INTO wires (kind, words, owner, state, tries, next_at, trouble) VALUES (@Kind, @Words, @Owner, @State, @Tries, @NextAt, @Trouble)
                ON CONFLICT (kind, words) DO UPDATE SET owner = @Owner, state = @State, tries = @Tries, next_at = @NextAt, trouble = @Trouble
                """,
                states.Select(one => new { one.Wire.Kind, one.Wire.Words, one.Wire.Owner, one.State, one.Tries, NextAt = one.NextAt.ToUnixTimeMilliseconds(), one.Trouble })));
        }
    }

    public void Forget(Wire wire) => database.Write("DELETE FROM wires WHERE kind = @Kind AND words = @Words", new { wire.Kind, wire.Words });

    sealed record Row(string Kind, string Words, string Owner, string State, long Tries, long NextAt, string? Trouble);
}
