%% The part of pytest-mqchaos that runs in Erlang.
%%
%%   Python --lines--> shell VM (main/3: one process a request) --erpc--> broker's VM (everything else)
%%
%% A request is one line: its number, its time-out in milliseconds, a function of this module, and each
%% argument as `=` and base64. An answer is one line: the number, `ok` or `error`, and JSON, all ASCII.
%% The shell VM compiles this text once and loads the result into the broker's VM, again whenever that VM
%% is a new one. When its input ends, the one who asked is gone: it takes the broker with it.
-module(mqchaos).
-export([main/3]).
-export([about/0, running/0, census/1, topology/1, exists/2, set_policy/6, create/2, delete/1, vhosts/0, stop/0, start/0, halt_node/0]).
-export([look/1]).

%%% The shell ------------------------------------------------------------------------------------------

main(Node, Binary, Epmd) ->
    io:put_chars("0 ok null\n"),
    loop(Node, Binary, Epmd).

loop(Node, Binary, Epmd) ->
    case io:get_line("") of
        Line when is_list(Line); is_binary(Line) ->
            [Id, Timeout, Function | Arguments] = string:lexemes(string:trim(to_list(Line)), " "),
            spawn(fun() ->
                {Status, Value} = request(Node, Binary, list_to_integer(Timeout), list_to_atom(Function),
                                          [base64:decode(A) || "=" ++ A <- Arguments]),
                io:put_chars([Id, $\s, Status, $\s, json(Value), $\n])
            end),
            loop(Node, Binary, Epmd);
        _EndOfInput ->
            catch erpc:call(Node, mqchaos, halt_node, [], 2000),
            _ = [os:cmd("kill " ++ Epmd) || Epmd =/= ""],
            halt(0)
    end.

%% A signal to the broker's VM is sent from here, since a frozen VM does not answer. A stop takes effect a
%% moment after it was sent: when every thread rests.
request(_Node, _Binary, _Timeout, signal, [Name, Pid]) ->
    Resting = case Name of
        <<"STOP">> -> "; while grep -L '^State:.*[TtZX] ' /proc/~s/task/*/status | grep -q . ; do : ; done";
        _ -> "~.0s"
    end,
    {"ok", list_to_binary(os:cmd(io_lib:format("kill -~s ~s" ++ Resting, [Name, Pid, Pid])))};
request(Node, Binary, Timeout, Function, Arguments) ->
    try {"ok", erpc:call(Node, mqchaos, Function, Arguments, Timeout)}
    catch
        error:{exception, undef, [{mqchaos, Function, _, _} | _]} when Binary =/= loaded ->
            try erpc:call(Node, code, load_binary, [mqchaos, "mqchaos", Binary], Timeout) of
                _ -> request(Node, loaded, Timeout, Function, Arguments)
            catch _:Reason -> {"error", text(Reason)}
            end;
        error:{erpc, Reason} -> {"error", text(Reason)};
        error:{exception, Reason, _} -> {"error", text(Reason)};
        _:Reason -> {"error", text(Reason)}
    end.

text(Reason) -> iolist_to_binary(io_lib:format("~0tp", [Reason])).

to_list(Line) when is_binary(Line) -> binary_to_list(Line);
to_list(Line) -> Line.

%%% The broker -----------------------------------------------------------------------------------------

about() ->
    {ok, Version} = application:get_key(rabbit, vsn),
    #{version => list_to_binary(Version), pid => list_to_binary(os:getpid()),
      otp => list_to_binary(erlang:system_info(otp_release))}.

%% Clients are served a little before the boot has ended, and a stop in between ends the VM.
running() ->
    rabbit:is_running() andalso element(1, init:get_status()) =:= started.

stop() -> rabbit:stop(), true.

%% `rabbit:start` returns at once while an earlier boot has served its first clients and not yet ended.
start() -> start(500).

start(Left) ->
    rabbit:start(),
    case rabbit:is_running() of
        true -> true;
        false when Left > 0 -> timer:sleep(20), start(Left - 1)
    end.

halt_node() -> erlang:halt(0, [{flush, false}]).

%% What is asked of a broker that was stopped in its VM would be answered out of its caches.
vhosts() -> serving(fun rabbit_vhost:list_names/0).

serving(Fun) ->
    case rabbit:is_running() of
        true -> Fun();
        false -> error(stopped)
    end.

create(VHost, User) -> serving(fun() -> create_vhost(VHost, User) end).

create_vhost(VHost, User) ->
    case rabbit_vhost:exists(VHost) of
        true -> ok;
        false -> rabbit_vhost:add(VHost, <<"mqchaos">>)
    end,
    ok = rabbit_auth_backend_internal:set_permissions(User, VHost, <<".*">>, <<".*">>, <<".*">>, <<"mqchaos">>),
    true.

delete(VHost) ->
    serving(fun() ->
        rabbit_vhost:exists(VHost) andalso begin rabbit_vhost:delete(VHost, <<"mqchaos">>), true end
    end).

exists(VHost, Queue) ->
    serving(fun() -> element(1, rabbit_amqqueue:lookup(rabbit_misc:r(VHost, queue, Queue))) =:= ok end).

%% The definition is JSON. The answer is true, or why it is refused.
set_policy(VHost, Name, Pattern, Definition, Priority, ApplyTo) ->
    serving(fun() ->
        case rabbit_policy:parse_set(VHost, Name, Pattern, Definition, Priority, ApplyTo, <<"mqchaos">>) of
            ok -> true;
            {error_string, Why} -> iolist_to_binary(Why);
            {error, Format, Arguments} -> iolist_to_binary(io_lib:format(Format, Arguments));
            Other -> text(Other)
        end
    end).

topology(VHost) ->
    serving(fun() ->
        Exchanges = rabbit_exchange:info_all(VHost, [name, type]),
        #{exchanges => maps:from_list([{name(I), proplists:get_value(type, I)} || I <- Exchanges]),
          bindings => [binding(maps:from_list(I)) || I <- rabbit_binding:info_all(VHost)]}
    end).

name(Info) ->
    {resource, _, _, Name} = proplists:get_value(name, Info),
    Name.

binding(#{source_name := Source, destination_name := Destination, destination_kind := Kind,
          routing_key := Key, arguments := Arguments}) ->
    #{exchange => Source, destination => Destination, kind => Kind, routing_key => Key,
      arguments => table(Arguments)}.

%%% The census -----------------------------------------------------------------------------------------
%% A queue answers for itself: a classic queue's process, a quorum queue's Raft leader. Two things make the
%% answer exact. Before each reading, what is on its way to a queue (a settlement behind which a barrier
%% answered, a dead letter from another queue) is let through; as dead letters may go on from queue to queue,
%% more than once where there are any. And the queues are read until two readings in a row agree, at most
%% five times: what moved while one was taken shows in the next.

census(VHost) -> serving(fun() -> counted(VHost) end).

counted(VHost) ->
    Queues = [{amqqueue:get_type(Q), Q} || Q <- lists:sort(rabbit_amqqueue:list(VHost))],
    Settings = [settings(Q) || {_, Q} <- Queues],
    Rounds = 1 + min(2, length([1 || S <- Settings, dead_letters(S)])),
    {Reading, Agreed} = agreed(Queues, Rounds, reading(Queues, Rounds), 4),
    [exact(maps:merge(S, Counts), Agreed) || {S, Counts} <- lists:zip(Settings, Reading)].

exact(#{exact := Exact} = Queue, Agreed) -> Queue#{exact := Exact andalso Agreed}.

agreed(_Queues, _Rounds, Reading, 0) -> {Reading, false};
agreed(Queues, Rounds, Reading, Left) ->
    case reading(Queues, Rounds) of
        Reading -> {Reading, true};
        Other -> agreed(Queues, Rounds, Other, Left - 1)
    end.

reading(Queues, Rounds) ->
    Through = lists:last([flush(Queues) || _ <- lists:seq(1, Rounds)]),
    [case counts(Type, Q) of
         #{exact := Exact} = Counts -> Counts#{exact := Exact andalso T};
         Counts -> Counts
     end || {{Type, Q}, T} <- lists:zip(Queues, Through)].

dead_letters(#{arguments := Arguments, policy := Policy}) ->
    maps:is_key(<<"x-dead-letter-exchange">>, Arguments) orelse maps:is_key(<<"dead-letter-exchange">>, Policy).

%% Let through what is on its way to each queue; true where that is certain. The quorum queues' logs are
%% written side by side, so their entries are sent before any answer is awaited.
flush(Queues) ->
    Sent = [send_through(Type, Q) || {Type, Q} <- Queues],
    Deadline = erlang:monotonic_time(millisecond) + 2000,
    [through(S, Deadline) || S <- Sent].

%% A classic queue answers `info` before messages that wait in its mailbox (priority 9 against 0). A call of
%% priority 0 that changes nothing (a channel that it never knew is down) goes behind them.
send_through(rabbit_classic_queue, Q) ->
    try gen_server2:call(amqqueue:get_pid(Q), {notify_down, self()}, 2000) of _ -> true
    catch _:_ -> false
    end;
%% A consistent query overtakes commands that are not in the log yet (settlements and dead letters are sent
%% without waiting). A command of low priority that changes nothing (purging no nodes) goes behind them. Only
%% a leader is asked: a follower without one keeps its caller waiting.
send_through(rabbit_quorum_queue, Q) ->
    case leads(Q) of
        true ->
            Ref = make_ref(),
            ra:pipeline_command(amqqueue:get_pid(Q), rabbit_fifo:make_purge_nodes([]), Ref, low),
            Ref;
        false -> false
    end;
send_through(_, _) -> true.

through(Known, _Deadline) when is_boolean(Known) -> Known;
through(Ref, Deadline) ->
    case get(Ref) of
        undefined ->
            receive
                {'$gen_cast', {queue_event, _, {_, {applied, Applied}}}} ->
                    [put(R, true) || {R, _} <- Applied],
                    through(Ref, Deadline)
            after max(0, Deadline - erlang:monotonic_time(millisecond)) -> false
            end;
        Result -> Result
    end.

leads(Q) ->
    {Name, _} = amqqueue:get_pid(Q),
    case catch ets:lookup(ra_state, Name) of
        [State] -> element(2, State) =:= leader;
        _ -> false
    end.

counts(rabbit_classic_queue, Q) ->
    Items = [messages_ready, messages_unacknowledged, messages, consumers, state],
    try maps:from_list(rabbit_amqqueue:info(Q, Items)) of
        #{messages_ready := Ready, messages_unacknowledged := Unacked, messages := All,
          consumers := Consumers, state := State} when is_integer(Ready), is_integer(Unacked) ->
            #{ready => Ready, unacknowledged => Unacked, transit => max(0, All - Ready - Unacked),
              consumers => Consumers, exact => State =:= running};
        _ -> #{}
    catch _:_ -> #{}
    end;
counts(rabbit_quorum_queue, Q) ->
    try leads(Q) andalso query(amqqueue:get_pid(Q)) of
        {ok, #{} = Counts, _Leader} -> Counts;
        _ -> #{}
    catch _:_ -> #{}
    end;
counts(_, Q) ->
    try maps:from_list(rabbit_amqqueue:info(Q, [messages, consumers])) of
        #{messages := All, consumers := Consumers} when is_integer(All) -> #{ready => All, consumers => Consumers};
        _ -> #{}
    catch _:_ -> #{}
    end.

%% 4.3 takes a name instead of a function.
query(Leader) ->
    try ra:consistent_query(Leader, fun mqchaos:look/1, 2000)
    catch error:function_clause -> ra:consistent_query(Leader, {mqchaos, look, []}, 2000)
    end.

%% Runs in the leader, on the state itself. A `basic.get` is a consumer to it, but one without `ack`.
look(State) ->
    #{num_ready_messages := Ready, num_checked_out := Out, config := Config} = Seen = rabbit_fifo:overview(State),
    Held = [num_discarded, num_discard_checked_out, num_delayed_messages],
    #{ready => Ready, unacknowledged => Out, exact => true,
      transit => lists:sum([maps:get(Key, Seen, 0) || Key <- Held]),
      consumers => length([1 || C <- maps:values(rabbit_fifo:query_consumers(State)), is_boolean(element(3, C))]),
      limit => limit(maps:get(delivery_limit, Config, undefined))}.

limit(Limit) when is_integer(Limit) -> Limit;
limit({_, Limit}) when is_integer(Limit) -> Limit;
limit(_) -> undefined.

settings(Q) ->
    {resource, _, _, Name} = amqqueue:get_name(Q),
    #{name => Name, type => type(amqqueue:get_type(Q)), durable => amqqueue:is_durable(Q),
      exclusive => amqqueue:get_exclusive_owner(Q) =/= none, auto_delete => amqqueue:is_auto_delete(Q),
      arguments => table(amqqueue:get_arguments(Q)), policy => policy(rabbit_policy:effective_definition(Q)),
      ready => 0, unacknowledged => 0, transit => 0, consumers => 0, exact => false, limit => undefined}.

type(rabbit_classic_queue) -> <<"classic">>;
type(rabbit_quorum_queue) -> <<"quorum">>;
type(rabbit_stream_queue) -> <<"stream">>;
type(Other) -> Other.

policy(Definition) when is_list(Definition) -> maps:from_list(Definition);
policy(Definition) when is_map(Definition) -> Definition;
policy(_) -> #{}.

%%% Values ---------------------------------------------------------------------------------------------

table(Table) -> maps:from_list([{Name, value(Type, Value)} || {Name, Type, Value} <- Table]).

value(table, Value) -> table(Value);
value(array, Value) -> [value(T, V) || {T, V} <- Value];
value(void, _) -> undefined;
value(decimal, {Scale, Value}) -> Value / math:pow(10, Scale);
value(_, Value) -> Value.

json(true) -> "true";
json(false) -> "false";
json(undefined) -> "null";
json(Atom) when is_atom(Atom) -> json(atom_to_binary(Atom));
json(Number) when is_integer(Number) -> integer_to_list(Number);
json(Number) when is_float(Number) -> io_lib:format("~p", [Number]);
json(Text) when is_binary(Text) -> [$", [escape(C) || C <- characters(Text)], $"];
json(List) when is_list(List) -> [$[, lists:join($,, [json(V) || V <- List]), $]];
json(Map) when is_map(Map) ->
    [${, lists:join($,, [[json(key(K)), $:, json(V)] || {K, V} <- maps:to_list(Map)]), $}];
json(Other) -> json(text(Other)).

key(Key) when is_atom(Key) -> atom_to_binary(Key);
key(Key) when is_binary(Key) -> Key;
key(Key) -> text(Key).

characters(Text) ->
    case unicode:characters_to_list(Text) of
        List when is_list(List) -> List;
        _NotUtf8 -> binary_to_list(Text)
    end.

escape($") -> "\\\"";
escape($\\) -> "\\\\";
escape(C) when C < 32; C > 126, C < 16#10000 -> io_lib:format("\\u~4.16.0b", [C]);
escape(C) when C >= 16#10000 ->
    Rest = C - 16#10000,
    io_lib:format("\\u~4.16.0b\\u~4.16.0b", [16#D800 + (Rest bsr 10), 16#DC00 + (Rest band 16#3FF)]);
escape(C) -> C.
